"""Broker of a Snakemake process: distributes the tasks of its jobs to warm workers.

`python -m pvtt.execution.workers.broker PID` is started by the first job that needs a worker and ends with that
process. It listens on a Unix socket; a request and its answer are one line of JSON each. What happens is written to
`<logs>/serving/<node>-<pid>.jsonl`, a line per event (`pvtt timeline` draws it).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pvtt.execution.workers import processes
from pvtt.execution.workers.scheduler import QueueItem, next_task
from pvtt.models import devices

_LINE = 1 << 24  # bytes: longest request or answer
_TRIES = 2  # attempts per item
_READY_S = 300.0  # s: longest start of a worker, which imports the library


@dataclass(eq=False)
class PendingTask(QueueItem):
    """A queued item with its request and the future of its answer."""

    asked: dict[str, Any] = field(default_factory=dict)
    answer: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def name(self) -> str:
        """Name of the item in the log: its wildcards."""
        return "__".join(map(str, self.asked["task"]["wildcards"][0]))


class WorkerDied(RuntimeError):
    """A worker ended or was killed before it answered."""


class Worker:
    """A worker process on one device, in one Python environment."""

    def __init__(self, device: str, process: asyncio.subprocess.Process) -> None:
        self.device, self.process = device, process

    @classmethod
    async def start(cls, device: str, python: str, environment: dict[str, str], log: IO[bytes]) -> Worker:
        """Start a worker; `device` is a GPU as in CUDA_VISIBLE_DEVICES, or empty for the CPU."""
        process = await asyncio.create_subprocess_exec(
            python,
            *("-m", "pvtt.execution.workers.worker", str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment | {"CUDA_VISIBLE_DEVICES": device},
            start_new_session=True,
            limit=_LINE,
        )
        return cls(device, process)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; WorkerDied if the worker has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            await self.process.stdin.drain()
        except ConnectionError:
            raise WorkerDied(await self.how_it_ended()) from None

    async def read(self, limit_s: float) -> dict[str, Any]:
        """Receive a message; WorkerDied if the worker ends. After `limit_s` seconds it is killed."""
        assert self.process.stdout is not None
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), limit_s)
        except TimeoutError:
            self.kill()
            raise WorkerDied(f"it took longer than {limit_s:g} s (serving.limit_s) and was ended") from None
        if not line:
            raise WorkerDied(await self.how_it_ended())
        reply: dict[str, Any] = json.loads(line)
        return reply

    async def how_it_ended(self) -> str:
        """Describe how the process ended."""
        self.kill()
        code = await self.process.wait()
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with status {code}"

    def kill(self) -> None:
        """Kill the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Broker:
    """Slots, one per device, and the queue of items."""

    def __init__(self, found: list[str]) -> None:
        self.workers: dict[str, dict[str, Worker]] = {device: {} for device in found}
        self.last = dict.fromkeys(found, "")
        self.free = set(found)
        self.waiting: list[PendingTask] = []
        self.running: set[asyncio.Task[None]] = set()
        self.events: IO[str] | None = None
        self.folder = Path()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection: one request, and its answer when the item is done."""
        processes.check_peer(writer.get_extra_info("socket"))
        asked = json.loads(await reader.readline())
        self._open_log(Path(asked["task"]["log"][0][0]).parents[1] / "serving")
        request = PendingTask(asked["group"], asked["cost"], asked["priority"], asked=asked)
        self.waiting.append(request)
        self._dispatch()
        gone = asyncio.ensure_future(reader.read())
        waited: set[asyncio.Future[Any]] = {request.answer, gone}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if request.answer.done():
            gone.cancel()
            writer.write(json.dumps(request.answer.result()).encode() + b"\n")
            with suppress(ConnectionError):
                await writer.drain()
        elif request in self.waiting:  # the job is gone; an item that is already running continues, for the cache
            self.waiting.remove(request)
        writer.close()

    def _dispatch(self) -> None:
        """Assign the next item to each free slot."""
        for device in sorted(self.free):
            request = next_task(self.waiting, device, self.last)
            if isinstance(request, PendingTask):
                self.waiting.remove(request)
                self.free.discard(device)
                self.last[device] = request.group
                task = asyncio.ensure_future(self._work(device, request))
                self.running.add(task)
                task.add_done_callback(self.running.discard)

    async def _work(self, device: str, request: PendingTask) -> None:
        """One attempt at an item; if its worker dies, the item is queued again or has failed."""
        rule = request.asked["task"]["rule"]
        answer: dict[str, Any] | None
        try:
            answer = await self._try(device, request, rule)
        except WorkerDied as death:
            self.workers[device].pop(request.asked["python"], None)
            request.tries += 1
            request.excluded_device = device
            self._note("died", device, rule=rule, item=request.name, reason=str(death), tries=request.tries)
            answer = _failure_answer(request, str(death)) if request.tries >= _TRIES else None
        except Exception as error:
            answer = {"status": "broken", "reason": f"the broker failed: {error!r}"}
        self.free.add(device)
        if answer is None:
            self.waiting.append(request)
        elif not request.answer.done():
            request.answer.set_result(answer)
        self._dispatch()

    async def _try(self, device: str, request: PendingTask, rule: str) -> dict[str, Any]:
        asked = request.asked
        asked["loading"] = True
        worker = await self._worker(device, asked["python"], asked["environment"])
        asked["loading"] = False
        self._note("begin", device, rule=rule, item=request.name, group=request.group)
        await worker.send({"task": asked["task"]})
        while True:
            message = await worker.read(asked["limit_s"])
            if message["status"] in ("loading", "loaded"):
                asked["loading"] = message["status"] == "loading"
                self._note(message["status"], device, rule=rule, backend=message["backend"])
                continue
            self._note("end", device, rule=rule, item=request.name, status=message["status"])
            return message

    async def _worker(self, device: str, python: str, environment: dict[str, str]) -> Worker:
        known = self.workers[device].get(python)
        if known is None or known.process.returncode is not None:
            with open(self.folder / f"{self._name()}-worker{device or '-cpu'}.log", "ab") as log:
                known = await Worker.start(device, python, environment, log)
            self.workers[device][python] = known
            await known.read(_READY_S)
            self._note("start", device, pid=known.process.pid)
        return known

    def kill(self) -> None:
        """Kill all workers."""
        for workers in self.workers.values():
            for worker in workers.values():
                worker.kill()

    def _open_log(self, folder: Path) -> None:
        if self.events is None:
            folder.mkdir(parents=True, exist_ok=True)
            self.folder = folder
            self.events = open(folder / f"{self._name()}.jsonl", "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def _name(self) -> str:
        return f"{os.environ.get('SLURMD_NODENAME') or socket.gethostname()}-{os.getpid()}"

    def _note(self, event: str, device: str, **facts: Any) -> None:
        """Write an event with its time in s since the epoch."""
        if self.events is not None:
            record = {"time": round(time.time(), 3), "event": event, "device": device or "cpu"} | facts
            self.events.write(json.dumps(record) + "\n")


def _failure_answer(request: PendingTask, reason: str) -> dict[str, Any]:
    """Answer for an item whose workers died: `broken` if that happened while a model was loaded, else `failed`."""
    if request.asked["loading"]:
        return {"status": "broken", "reason": f"the worker died {_TRIES} times before its model was loaded: {reason}"}
    return {"status": "failed", "reason": f"its worker died {_TRIES} times: {reason}"}


def slots() -> list[str]:
    """Devices as in CUDA_VISIBLE_DEVICES: all visible GPUs, or '' for the CPU."""
    return [""] if devices.requested_device() == "cpu" else devices.visible_gpus() or [""]


async def _main(owner: int) -> None:
    listening = socket.socket(socket.AF_UNIX)
    try:
        pidfd = os.pidfd_open(owner)
        listening.bind(processes.address_of(owner))
    except (OSError, ProcessLookupError):
        return  # Snakemake has ended, or its broker is there
    broker, over = Broker(slots()), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, over.set)
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await asyncio.start_unix_server(broker.handle, sock=listening, limit=_LINE)
    await over.wait()
    broker.kill()
    server.close()
    # Tasks are not cancelled: `asyncio.wait_for` of Python 3.11 swallows a cancellation that comes together with its
    # result, and the broker would wait for that task for ever. Workers that are starting end with this process.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
