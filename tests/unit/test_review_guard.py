"""What the review's web server refuses."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="the review's web server is not installed (envs/review.txt)")

from review_client import Client, make_run, served

from pvtt.reporting.review.modes import ReviewSession


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    run = make_run(tmp_path_factory.mktemp("review") / "results")
    with served(ReviewSession(run, "anna", 0, 3, 0)) as client:
        yield client


def test_it_listens_on_this_machine_only(guarded: Client) -> None:
    assert guarded.host.startswith("127.0.0.1:") and len(guarded.path) > 30
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, int(guarded.host.partition(":")[2])), 2).close()


@pytest.mark.parametrize("name", ["", "page.js", "api/state", "video/0/source", "mask/0/source"])
def test_without_the_token_nothing_is_served(guarded: Client, name: str) -> None:
    assert guarded.get(name).status == 200
    token = guarded.path.strip("/")
    wrong = (
        "/",
        "//",
        f"/{token[:-1]}/",
        f"/{token}x/",
        f"/{token.swapcase()}/",
        "/%C3%A9/",
        "/%ff/",
        "/%00/",
        f"/x/../{token}/",
    )
    for path in wrong:
        reply = guarded.ask(path + name)
        assert reply.status == 403 and b"source" not in reply.body, path
    assert guarded.ask(f"/{name}?token={token}").status == 403


NAMES = ("evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "0.0.0.0:{port}")


@pytest.mark.parametrize("host", [*NAMES, "localhost.evil.example:{port}"])
def test_another_name_for_this_address_is_refused(guarded: Client, host: str) -> None:
    port = guarded.host.partition(":")[2]
    assert guarded.get("api/state", Host=host.format(port=port)).status == 403
    assert guarded.get("api/state", Host=f"localhost:{port}").status == 200


def test_another_site_is_refused(guarded: Client) -> None:
    for origin in (
        "http://evil.example",
        "null",
        guarded.origin.replace("http", "https"),
        f"{guarded.origin}.evil.example",
    ):
        assert guarded.get("api/state", Origin=origin).status == 403, origin
        assert guarded.post("api/undo", {}, Origin=origin).status == 403, origin
    assert guarded.get("api/state", Origin=guarded.origin).status == 200
    assert guarded.ask(guarded.path + "api/undo", "POST", {}, Content_Type="application/json").status == 403


def test_other_methods_are_refused(guarded: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for name in ("", "api/state", "video/0/source", "page.js"):
            assert guarded.ask(guarded.path + name, method, Origin=guarded.origin).status == 405, (method, name)
    assert guarded.get("api/answer").status == 405 and guarded.get("api/undo").status == 405
    head = guarded.ask(guarded.path + "video/0/source", "HEAD")
    assert head.status == 200 and head.body == b""


def test_an_answer_of_a_wrong_kind_or_size_is_refused(guarded: Client) -> None:
    assert guarded.post("api/answer", {}, Content_Type="text/plain").status == 415
    assert guarded.post("api/answer", b"x" * 300_000).status == 413
    for body in (b"", b"{", b"[]", b"null", b'{"index": 0}'):
        assert guarded.post("api/answer", body).status == 400


@pytest.mark.parametrize(
    "name",
    [
        "video/0/../../../../etc/passwd",
        "video/0/..%2f..%2f..%2fclips.tsv",
        "video/0/%2e%2e/%2e%2e/clips.tsv",
        "video/0//etc/passwd",
        "video/0/source/../result",
        "video/-1/source",
        "video/99999/source",
        "video/0/masks",
        "mask/0/..%5c..%5cclip.json",
        "photo/0/99",
        "photo/0/-1",
        "page.html",
        "server.py",
        "../server.py",
        "%2e%2e/session.py",
        "page.js%00",
        "clips.tsv",
    ],
)
def test_no_path_leads_to_another_file(guarded: Client, name: str) -> None:
    reply = guarded.get(name)
    assert reply.status in (400, 404), reply.body


def test_nothing_may_be_loaded_from_elsewhere_or_framed(guarded: Client) -> None:
    page = guarded.get("")
    policy = page.headers.get("Content-Security-Policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert (
        page.headers.get("X-Content-Type-Options") == "nosniff" and page.headers.get("Referrer-Policy") == "no-referrer"
    )
    for name in ("", "page.css", "page.js", "player.js", "zoom.js", "form.js"):
        assert not re.search(rb"https?://|innerHTML|<style|style=|onclick", guarded.get(name).body), name
