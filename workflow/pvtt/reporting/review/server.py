"""The local web server of the review: this machine only, a secret in every URL, files of listed questions only."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pvtt.records.base import RecordError
from pvtt.reporting.review.media import outlines, photo_jpeg
from pvtt.reporting.review.session import ChangedError, Posted, Session

_HERE = Path(__file__).parent
_PAGES = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "player.js": ("player.js", "text/javascript"),
    "zoom.js": ("zoom.js", "text/javascript"),
    "form.js": ("form.js", "text/javascript"),
}
_MOST_BYTES = 256 * 1024  # bytes of an answer that is read
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache, private",
}


class Guard:
    """Lets a request through only if it comes from this machine's own page and knows the token.

    `Host` must be this server's own address, so that another site's name that was rebound to 127.0.0.1 is refused.
    `Origin` must be this page's where the browser names one, and a change must name it. The token is the first part of
    the path and is compared in constant time.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to whatever is not allowed."""
        if scope["type"] != "http":
            return
        refused, path = self._check(scope)
        if refused:
            await PlainTextResponse(refused, 403, _HEADERS)(scope, receive, send)
        elif not path:
            await RedirectResponse(scope["path"] + "/", 307, _HEADERS)(scope, receive, send)
        else:

            async def with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [
                        *message.get("headers", ()),
                        *((name.lower().encode(), value.encode()) for name, value in _HEADERS.items()),
                    ]
                await send(message)

            await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, with_headers)

    def _check(self, scope: Scope) -> tuple[str, str]:
        """Why the request is refused, if it is, and its path without the token."""
        given: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.lower(), []).append(value.decode("latin-1"))
        hosts, origins = given.get(b"host", []), given.get(b"origin", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "this server answers to its own address only", ""
        if any(origin.lower() not in self._origins for origin in origins):
            return "this server answers to its own page only", ""
        if scope["method"] not in ("GET", "HEAD") and not origins:
            return "a change must come from this server's own page", ""
        token, slash, rest = scope["path"].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token):
            return "the token in the address is wrong; use the address that pvtt review printed", ""
        return "", slash + rest


def application(session: Session, token: str, port: int) -> ASGIApp:
    """The server's application for one session."""
    pages = {name: ((_HERE / file).read_bytes(), kind) for name, (file, kind) in _PAGES.items()}

    def page(request: Request) -> Response:
        found = pages.get(request.path_params.get("name", ""))
        if found is None:
            raise HTTPException(404)
        return Response(found[0], media_type=found[1])

    def state(request: Request) -> Response:
        return JSONResponse(session.state())

    async def answer(request: Request) -> Response:
        try:
            posted = Posted.model_validate_json(await _body(request))
            return JSONResponse(await run_in_threadpool(session.answer, posted))
        except ValidationError as error:
            raise HTTPException(400, f"not an answer: {error.errors(include_url=False)[0]['msg']}") from error
        except RecordError as error:
            raise HTTPException(400, str(error)) from error
        except ChangedError as error:
            raise HTTPException(409, str(error)) from error
        except IndexError as error:
            raise HTTPException(404, "no such question") from error

    async def undo(request: Request) -> Response:
        try:
            return JSONResponse(await run_in_threadpool(session.undo))
        except IndexError as error:
            raise HTTPException(409, "nothing to undo") from error

    def find(request: Request, kind: str) -> Path:
        files = session.files(request.path_params["index"])
        if kind == "photos":
            return files.photos[int(request.path_params["number"])]
        known = files.videos if kind == "videos" else files.masks
        return known[request.path_params["view"]]

    def video(request: Request) -> Response:
        return FileResponse(find(request, "videos"), media_type="video/mp4")

    def mask(request: Request) -> Response:
        path = find(request, "masks")
        return JSONResponse(outlines(path, path.stat().st_mtime_ns))

    def photo(request: Request) -> Response:
        path = find(request, "photos")
        return Response(photo_jpeg(path, path.stat().st_mtime_ns), media_type="image/jpeg")

    return Guard(
        Starlette(
            routes=[
                Route("/", page),
                Route("/api/state", state),
                Route("/api/answer", answer, methods=["POST"]),
                Route("/api/undo", undo, methods=["POST"]),
                Route("/video/{index:int}/{view}", _found(video)),
                Route("/mask/{index:int}/{view}", _found(mask)),
                Route("/photo/{index:int}/{number:int}", _found(photo)),
                Route("/{name}", page),
            ],
        ),
        token,
        port,
    )


def serve(session: Session, port: int, tell: Callable[[str], None]) -> None:
    """Serve a session on 127.0.0.1 until it is interrupted.

    Parameters
    ----------
    session
        What is served.
    port
        TCP port; 0 for a free one.
    tell
        Called with the page's address when the port is open.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        server, address = prepare(session, listener)
        tell(address)
        server.run(sockets=[listener])


def prepare(session: Session, listener: socket.socket) -> tuple[uvicorn.Server, str]:
    """A server for an open port of this machine, and the page's address."""
    port, token = int(listener.getsockname()[1]), secrets.token_urlsafe(24)
    config = uvicorn.Config(
        application(session, token, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config), f"http://127.0.0.1:{port}/{token}/"


def _found(view: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """404 for a question, view or photo that is not there."""

    def checked(request: Request) -> Response:
        try:
            return view(request)
        except (KeyError, IndexError, FileNotFoundError) as error:
            raise HTTPException(404) from error

    return checked


async def _body(request: Request) -> bytes:
    """The body of a JSON request, if it is not too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise HTTPException(413, "too long")
    except ClientDisconnect as error:
        raise HTTPException(400) from error
    return bytes(body)
