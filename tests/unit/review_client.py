"""A served review for tests: a run with hostile titles, and a client that sends what it is told."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fabricated import tiny_run

from pvtt.io.tables import write_table
from pvtt.records.layout import Layout
from pvtt.reporting.review.server import prepare
from pvtt.reporting.review.session import Session

KEEP = {"verdict": "keep", "reasons": []}
EVIL = '"><script>window.evil = 1</script><img src=x onerror="window.evil = 1">'


def make_run(folder: Path) -> Path:
    """A copy of the fabricated run that a test may change, with its tables; its titles are hostile."""
    made = tiny_run()
    shutil.copytree(made.results, folder)
    files = Layout(folder)
    write_table(files.catalogue, made.catalogue.assign(title=EVIL))
    write_table(files.clips, made.clips)
    made.pairs.assign(rank=0).to_parquet(files.pairs)
    made.filtered.to_parquet(files.filtered)
    return folder


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Speaks HTTP to a served session; headers are as given, paths go out as they are."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.address, self.host, self.path = address, parts.netloc, parts.path
        self.origin = f"http://{self.host}"

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        given = {"Host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            given["Content-Length"] = str(len(data))
        connection.putrequest(method, path, skip_host=True)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.headers, answer.read())
        connection.close()
        return reply

    def get(self, name: str, **headers: str) -> Reply:
        return self.ask(self.path + name, **headers)

    def post(self, name: str, body: Any, **headers: str) -> Reply:
        own = {"Content_Type": "application/json", "Origin": self.origin}
        return self.ask(self.path + name, "POST", body, **(own | headers))

    def state(self) -> dict[str, Any]:
        return self.get("api/state").json

    def judge(self, question: dict[str, Any], **changes: Any) -> Reply:
        """Send an answer, a whole one unless changed."""
        known = {"index": question["index"], "digest": question["digest"], "status": "judged", "seconds": 12.0}
        return self.post("api/answer", known | {"seen": [[0, 5]], "values": values_for(question)} | changes)


def values_for(question: dict[str, Any]) -> dict[str, Any]:
    """Values that fill the form of a question."""
    given = {"scale": 3, "choice": "left", "verdict": KEEP}
    return {row["id"]: given[row["type"]] for row in question["rows"]}


@contextmanager
def served(session: Session) -> Iterator[Client]:
    """Serve a session in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server, address = prepare(session, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Client(address)
        finally:
            server.should_exit = True
            thread.join(20)
