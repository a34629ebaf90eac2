"""A SLURM cluster of two nodes with eight GPU devices each, all on this machine: munge, slurmctld and two slurmd.

    python tests/slurm/cluster.py start     # then: snakemake --profile slurm, sinfo, squeue
    python tests/slurm/cluster.py stop
    python tests/slurm/cluster.py run       # until Ctrl-C, or until its standard input is closed

It runs as root, from Debian's packages slurm-wlm and munge. Its configuration lies in /etc/slurm, where job steps look
for it whatever their environment says; a configuration that was not written here is never touched. The devices are
nodes of the file system without a driver: SLURM hands them out, nothing can be computed on them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")
STATE = Path("/run/pvtt-slurm")
NAME = "pvtt-test"
NODES = ("n1", "n2")
GPUS = 8
CPUS = 32
PARTITIONS = ("large", "normal", "cpu")  # those of the example, profiles/slurm-superpod
OURS = "# Written by tests/slurm/cluster.py of PVTT; `python tests/slurm/cluster.py stop` removes it.\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
# What stop() ends carries one of these in its environment: daemons and submitters the first, jobs and steps the second.
MARKS = (f"PVTT_SLURM={NAME}".encode(), f"SLURM_CLUSTER_NAME={NAME}".encode())

SLURM_CONF = """{ours}ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16820
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
CredType=cred/munge
StateSaveLocation={state}/ctld
SlurmdSpoolDir={state}/%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd-%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=0
MinJobAge=3600
KillWait=5
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[16821-16822] CPUs={cpus} SocketsPerBoard=1 \
CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=512000 Gres=gpu:{gpus}
"""
GRES_CONF = "{ours}NodeName=n[1-2] Name=gpu File={state}/gpu[0-{last}]\n"


_daemons: list[subprocess.Popen] = []  # those that this process started, which must collect their ends


class ClusterError(RuntimeError):
    """The cluster cannot be started; the message says why and what to do."""


def hindrance() -> str:
    """Why no cluster can be started here, empty when one can."""
    if os.geteuid() != 0:
        return "a SLURM of its own can only be started as root"
    missing = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not found; run: apt-get install --no-install-recommends slurm-wlm munge"
    for name in ("slurm.conf", "gres.conf"):
        path = CONFIGURATION / name
        if path.exists() and not path.read_text().startswith(OURS):
            return f"{path} is the configuration of a cluster, which is left alone"
    return ""


def start() -> None:
    """Start the cluster and wait for its nodes; ClusterError with the daemons' logs when they do not come."""
    if reason := hindrance():
        raise ClusterError(reason)
    stop()  # what an earlier one may have left
    _write_configuration()
    try:
        _daemon("munged", "munged", "--foreground", "--force", *_munge_files())
        _wait((STATE / "munge.socket").exists, "munged")
        _daemon("slurmctld", "slurmctld", "-D", "-c")
        for node in NODES:
            _daemon(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        _wait(lambda: node_states() == dict.fromkeys(NODES, "idle"), "the nodes")
    except BaseException:
        stop(keep_logs=True)
        raise


def stop(keep_logs: bool = False) -> None:
    """End the jobs and the daemons, whatever their state, and remove the configuration and the devices."""
    if _ours(CONFIGURATION / "slurm.conf") and any(_environments()):
        _run("scancel", "--user=root", timeout=10)
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + 5
        while (alive := survivors()) and time.monotonic() < end:
            for pid in alive:
                _kill(pid, number)
            time.sleep(0.1)
    while _daemons:
        _daemons.pop().wait(10)
    for name in ("slurm.conf", "gres.conf"):
        if _ours(CONFIGURATION / name):
            (CONFIGURATION / name).unlink()
    if not keep_logs:
        shutil.rmtree(STATE, ignore_errors=True)


def survivors() -> list[int]:
    """Process ids of everything that belongs to the cluster: its daemons, its jobs and what those left behind."""
    return [pid for pid, _ in _environments()]


def job_processes() -> list[int]:
    """Process ids of what runs, or was left, inside the cluster's jobs."""
    return [pid for pid, words in _environments() if _value(words, b"SLURM_JOB_ID")]


def step_processes() -> list[int]:
    """Those of the jobs' steps alone: Snakemake that runs a pack's pairs, and everything that this started."""
    return [pid for pid, words in _environments() if _value(words, b"SLURM_STEP_ID")]


def described(pids: list[int]) -> str:
    """Process ids with parents, states and commands, a line each, for the message of a failing test."""
    answer = _run("ps", "-o", "pid,ppid,stat,etimes,wchan:20,args", "-ww", "-p", ",".join(map(str, pids)))
    return f"\n{answer}" if pids else "none"


def node_of(pid: int) -> str:
    """Node on which a job's process runs; empty when it has ended or belongs to no job."""
    return next((_value(words, b"SLURMD_NODENAME") for found, words in _environments() if found == pid), "")


def node_states() -> dict[str, str]:
    """State of each node, such as idle, mixed or down; empty while slurmctld does not answer."""
    answer = _run("sinfo", "--noheader", "--Node", "--format=%N %T", timeout=5)
    return dict(line.split() for line in answer.splitlines())


def set_node(node: str, state: str) -> None:
    """Set a node `down` (its jobs end at once) or bring it back (`resume`)."""
    _run("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test", timeout=10, check=True)


def jobs() -> list[tuple[str, str, str]]:
    """Every job that is not finished: its id, state and node. ClusterError when squeue fails, which is not "none"."""
    lines = _run("squeue", "--noheader", "--format=%i|%T|%N", timeout=30, check=True).splitlines()
    return [(job, state, node) for job, state, node in (line.split("|") for line in lines)]


def cancel(job: str) -> None:
    """`scancel` a job."""
    _run("scancel", job, timeout=10, check=True)


@contextmanager
def cluster() -> Iterator[None]:
    """A cluster for the time of the block. It ends with the process that has it, also when that one is killed."""
    if reason := hindrance():
        raise ClusterError(reason)
    command = [sys.executable, __file__, "run"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as keeper:
        assert keeper.stdin is not None and keeper.stdout is not None
        if keeper.stdout.readline().strip() != "ready":
            raise ClusterError(f"the cluster did not start; its logs are in {STATE}")
        try:
            yield
        finally:
            keeper.stdin.close()
            keeper.wait(60)


def run() -> None:
    """Keep a cluster until standard input ends or a signal comes."""
    STATE.parent.mkdir(exist_ok=True)
    with open(STATE.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of another checkout wait here
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(0))
        try:
            start()
            print("ready", flush=True)
            sys.stdin.read()
        except KeyboardInterrupt:
            pass
        finally:
            stop()


def _write_configuration() -> None:
    STATE.mkdir(mode=0o700, parents=True)
    (STATE / "ctld").mkdir()
    (STATE / "munge.key").write_bytes(os.urandom(128))
    (STATE / "munge.key").chmod(0o600)
    for number in range(GPUS):
        # Regular files are refused, and the jobs would not get CUDA_VISIBLE_DEVICES.
        _run("mknod", str(STATE / f"gpu{number}"), "c", "195", str(number), check=True)
    CONFIGURATION.mkdir(exist_ok=True)
    host = socket.gethostname().split(".")[0]
    values = {"ours": OURS, "name": NAME, "host": host, "state": STATE, "cpus": CPUS, "gpus": GPUS, "last": GPUS - 1}
    (CONFIGURATION / "gres.conf").write_text(GRES_CONF.format(**values))
    partitions = [f"PartitionName={name} Nodes=n[1-2] MaxTime=INFINITE State=UP\n" for name in PARTITIONS]
    (CONFIGURATION / "slurm.conf").write_text(SLURM_CONF.format(**values) + "".join(partitions))


def _munge_files() -> list[str]:
    """Munge's own files: neither the key nor the socket of this machine's munge are touched."""
    names = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    return [f"--{option}={STATE}/munge.{name}" for option, name in names.items()]


def _daemon(name: str, *command: str) -> None:
    environment = _environment() | dict([MARKS[0].decode().split("=")])
    with open(STATE / f"{name}.out", "w", encoding="utf-8") as out:
        _daemons.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                start_new_session=True,
                cwd="/",
            )
        )


def _wait(ready, what: str, limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > end:
            logs = [f"{path}:\n{path.read_text()[-1500:]}" for path in sorted(STATE.glob("*.[lo][ou][gt]"))]
            raise ClusterError("\n".join([f"{what} did not come up in {limit_s:.0f} s", *logs]))
        time.sleep(0.1)


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    """Processes with one of the marks in their environment, other than this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if not zombie and int(folder.name) != os.getpid() and any(mark in words for mark in MARKS):
            yield int(folder.name), words


def _value(words: list[bytes], name: bytes) -> str:
    """Value of an environment's variable, empty when it is not there."""
    return next((word.partition(b"=")[2].decode() for word in words if word.startswith(name + b"=")), "")


def _ours(path: Path) -> bool:
    return path.exists() and path.read_text().startswith(OURS)


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _environment() -> dict[str, str]:
    """This process's environment without what SLURM or a virtual environment may have put there."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))} | {"PATH": _path()}


def _run(*command: str, timeout: float = 30, check: bool = False) -> str:
    """Standard output of a command; ClusterError with its message when it fails and `check` is set."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(), timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        if check:
            raise ClusterError(f"{' '.join(command)}: no answer in {timeout:g} s") from None
        return ""
    if check and done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    actions = {"start": start, "stop": stop, "run": run}
    if wanted not in actions:
        sys.exit("usage: python tests/slurm/cluster.py start|stop|run")
    try:
        actions[wanted]()
    except ClusterError as error:
        sys.exit(str(error))
