"""A real browser for tests: the system's Chromium, headless, driven through its DevTools pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
_WAIT_S = 60  # s: until a page must have done what a test waits for
_CODES = {
    " ": "Space",
    "Enter": "Enter",
    "Backspace": "Backspace",
    "ArrowLeft": "ArrowLeft",
    "ArrowRight": "ArrowRight",
}


def chromium() -> str | None:
    """Path of a Chromium on this machine."""
    return next((found for found in map(shutil.which, NAMES) if found), None)


class Browser:
    """One tab. The pipe carries JSON messages that end with a zero byte, ours on descriptor 3, its own on 4."""

    def __init__(self, program: str, profile: Path, width: int = 1440, height: int = 900) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, self._out = os.pipe()
        self._in = os.fdopen(ours_in, "rb", buffering=0)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
        options += ["--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars", f"--user-data-dir={profile}"]
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", program, *options, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.enable")
        self.send("Runtime.enable")
        self.size(width, height)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._out)
        self._in.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and wait for its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(answer["params"]["exceptionDetails"]))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._in.read(1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def size(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        """Set the size of the page in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )

    def dark(self, on: bool) -> None:
        """Ask for a dark or a light page."""
        value = "dark" if on else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def open(self, address: str) -> None:
        """Open an address."""
        self.send("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true."""
        end = time.monotonic() + _WAIT_S
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"still not: {script}; errors: {self.errors}"
            time.sleep(0.05)
        return value

    def keys(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            text = name if len(name) == 1 else "\r" if name == "Enter" else ""
            event = {"key": name, "code": _CODES.get(name, f"Key{name.upper()}"), "text": text}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **event)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=name, code=event["code"])

    def screenshot(self, path: Path, whole: bool = False, **options: Any) -> None:
        """Write what the tab shows, or the whole page, as PNG (or as `options` of Page.captureScreenshot say)."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole, **options)
        path.write_bytes(base64.b64decode(shot["data"]))
