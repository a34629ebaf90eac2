"""An OpenAI-compatible server with a tiny Qwen-VL: what vLLM serves, as far as the judge uses it.

    python tests/backends/tiny/vlm_server.py --port 0 --folder MODEL     (PYTHONPATH=workflow)

prints its address, such as http://127.0.0.1:41234/v1, and serves until it is ended. A folder that is not there is
made. Chat completions come from the model's own logits. The model's name may carry a misbehaviour after a colon, see
`FAULTS`; `GET /v1/requests` tells what was asked, for tests.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

NAME = "tiny-vlm"
FAULTS = {
    "fails": "HTTP 500 always",
    "busy": "HTTP 503 twice, then an answer",
    "refuses": "HTTP 400 always",
    "slow": "no answer for 30 s",
    "drips": "an answer that never ends, byte by byte",
    "moved": "a redirect to another address",
    "mute": "answers without log-probabilities",
    "letters": "an answer in letters: the digits hold little of the probability",
    "garbage": "an answer that is no JSON",
    "truncated": "an answer in JSON that ends early",
    "obeys": "does what a text says that stands outside the DATA field: IGNORE and 'five points' mean 5",
}


class Model:
    """The tiny model, asked by one request at a time."""

    def __init__(self, folder: Path) -> None:
        from pvtt.stages.scoring.judges import qwen

        os.environ["PVTT_MODELS"] = str(folder.parent)
        self._judge = qwen.Backend({"qwen": {"model": folder.name}})
        self._judge.load("cpu")
        self._lock = threading.Lock()

    def top(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`top_logprobs` of the first token."""
        from pvtt.stages.scoring.judges.base import Question

        parts: list[str | bytes] = []
        for part in messages[1]["content"]:
            if part["type"] == "text":
                parts.append(part["text"])
            else:
                head, _, data = part["image_url"]["url"].partition(",")
                if head != "data:image/jpeg;base64":
                    raise ValueError(f"picture is {head!r}")
                parts.append(base64.b64decode(data, validate=True))
        with self._lock:
            answer = self._judge.ask(Question(messages[0]["content"], tuple(parts)))
        return [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in answer.top]


class Handler(BaseHTTPRequestHandler):
    """One request; `server` has `model`, `key`, `counts`, `texts` and `systems`."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        if self.path.endswith("/models"):
            names = [NAME, *(f"{NAME}:{fault}" for fault in FAULTS)]
            self._reply({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
        elif self.path.endswith("/requests"):
            self._reply(
                {"counts": dict(self.server.counts), "texts": self.server.texts, "systems": self.server.systems}
            )
        else:
            self._reply({"error": {"message": "not found"}}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = self.headers.get("Authorization", "")
        name = body["model"]
        self.server.counts[name] += 1
        if self.server.key and given != f"Bearer {self.server.key}":
            self._reply({"error": {"message": f"wrong key {given}"}}, 401)
        elif not self._misbehave(name.partition(":")[2], self.server.counts[name]):
            self._complete(body, name.partition(":")[2])

    def _misbehave(self, fault: str, count: int) -> bool:
        """Whether the request has been dealt with."""
        codes = {"fails": 500, "refuses": 400} | ({"busy": 503} if count <= 2 else {})
        if fault in codes:
            self._reply({"error": {"message": f"{fault}\nas told"}}, codes[fault], {"Retry-After": "0.01"})
        elif fault == "moved":
            self._reply({}, 307, {"Location": "/elsewhere/v1/chat/completions"})
        elif fault == "garbage":
            self._send(b"<html>gateway</html>", 200, {})
        elif fault == "truncated":
            self._send(b'{"choices": [', 200, {})
        elif fault == "drips":
            self._drip()
        else:
            if fault == "slow":
                time.sleep(30)
            return False
        return True

    def _complete(self, body: dict[str, Any], fault: str) -> None:
        texts = [part["text"] for part in body["messages"][1]["content"] if part["type"] == "text"]
        self.server.texts.append(texts)
        self.server.systems.append(body["messages"][0]["content"])
        top = self.server.model.top(body["messages"])
        if fault == "letters":
            top = [entry | {"token": chr(65 + k)} for k, entry in enumerate(top)]
        if fault == "obeys" and re.search("IGNORE|five points", " ".join(_outside_data(texts))):
            top = [{"token": "5", "logprob": 0.0, "bytes": [53]}]
        message = {"role": "assistant", "content": top[0]["token"]}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "length", "logprobs": None}
        if wanted := body.get("response_format"):
            message["content"] = json.dumps(_filled(wanted["json_schema"]["schema"], top))
        elif body.get("logprobs") and fault != "mute":
            listed = top[: body["top_logprobs"]]
            choice["logprobs"] = {"content": [listed[0] | {"top_logprobs": listed}]}
        reply = {"id": "chatcmpl-1", "object": "chat.completion", "model": body["model"], "choices": [choice]}
        self._reply(reply | {"usage": {"prompt_tokens": len(" ".join(texts)), "completion_tokens": 1}})

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        try:
            for _ in range(600):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            self.close_connection = True

    def _reply(self, record: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(record).encode(), code, headers or {})

    def _send(self, data: bytes, code: int, headers: dict[str, str]) -> None:
        try:
            self.send_response(code)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the judge has given up waiting
            self.close_connection = True


def _outside_data(texts: list[str]) -> list[str]:
    """What a careful reader takes as addressed to it: everything but whole JSON objects on lines starting with DATA."""
    lines = [line for text in texts for line in text.splitlines()]
    return [line for line in lines if not (line.startswith("DATA ") and _is_json(line[5:]))]


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _filled(schema: dict[str, Any], top: list[dict[str, Any]]) -> Any:
    """A value of a JSON schema, its integers the model's most probable digit."""
    if schema["type"] == "object":
        return {name: _filled(part, top) for name, part in schema["properties"].items()}
    if schema["type"] == "integer":
        return int(next((entry["token"] for entry in top if entry["token"] in "12345"), "1"))
    return "".join(entry["token"] for entry in top)[: schema.get("maxLength", 20)]


def serve(folder: Path, port: int = 0, key: str = "") -> ThreadingHTTPServer:
    """The server, bound and ready for `serve_forever`; a model that is not there is made."""
    if not (folder / "config.json").is_file():
        from backends.tiny.vlm import build_vlm

        build_vlm(folder)
    registry = folder.parent / "models.yaml"
    if not registry.is_file() or f"{folder.name}:" not in registry.read_text(encoding="utf-8"):
        from backends.tiny.embedders import register
        from backends.tiny.vlm import FILES

        register(folder.parent, {folder.name: FILES})
    server: Any = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.model, server.key, server.counts = Model(folder), key, Counter()
    server.texts, server.systems = [], []
    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="model folder; made when it is not there")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--key", default="", help="refuse requests without this key")
    given = parser.parse_args()
    running = serve(given.folder.resolve(), given.port, given.key)
    print(f"http://127.0.0.1:{running.server_address[1]}/v1", flush=True)
    running.serve_forever()
