"""A hub on this machine: the files of repositories over HTTP, with faults on demand."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Serves `files` (path -> bytes); `faults` (path -> list) are used up one per request.

    A fault is an HTTP status, `drop` (breaks off in the middle) or `wrong` (other bytes of the same length). `large`
    has the paths that are served as large files: by a redirect that states their sha256. `log` has (path, Range).
    """

    def __init__(self):
        self.files, self.faults, self.large, self.log, self.headers = {}, {}, set(), [], []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        path = request.path.removeprefix("/cdn")
        self.log.append((path, request.headers.get("Range")))
        self.headers.append(dict(request.headers))
        if path not in self.files:
            return self.send(request, 404)
        body = self.files[path]
        commit = {"X-Repo-Commit": "c" * 40}
        if path in self.large and not request.path.startswith("/cdn"):
            tags = {"Location": f"/cdn{path}", "X-Linked-Etag": f'"{hashlib.sha256(body).hexdigest()}"'}
            return self.send(request, 302, headers=commit | tags)
        fault = self.faults[path].pop(0) if self.faults.get(path) else None
        if isinstance(fault, int):
            return self.send(request, fault)
        if fault == "wrong":
            body = bytes(255 - value for value in body)
        start = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if start is None:
            return self.send(request, 200, body, commit, fault == "drop")
        first = int(start[1])
        if first >= len(body):
            return self.send(request, 416)
        span = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
        return self.send(request, 206, body[first:], commit | span, fault == "drop")

    def send(self, request, status, body=b"", headers=None, drop=False):
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if drop else body)
        if drop:
            request.wfile.flush()
            request.close_connection = True
