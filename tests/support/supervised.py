"""A worker in the hands of a little supervisor, as a profile's commands would have it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from lazycelery.model.service import Service
from tests.support.fleet import CeleryWorker

SUPERVISOR = """
import os, signal, subprocess, sys
pidfile, log, do, command = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
def stop():
    pid = int(open(pidfile).read())
    os.kill(pid, signal.SIGTERM)
    while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().split(") ")[1][0] != "Z":
        pass
def start():
    out = open(log, "ab")
    one = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    open(pidfile, "w").write(str(one.pid))
if do != "start": stop()
if do != "stop": start()
print("done:", do)
"""


def service_of(worker: CeleryWorker, directory: Path) -> Service:
    """Commands that start, stop, restart and follow it; the worker is not started."""
    script, pidfile, log = directory / "supervisor.py", directory / "pid", directory / "log"
    script.write_text(SUPERVISOR)
    own = [f"{name}={value}" for name, value in worker.env.items() if os.environ.get(name) != value]
    here = ["env", *own, sys.executable, str(script), str(pidfile), str(log)]
    return Service(
        name=worker.name,
        start=[*here, "start", *worker.command],
        stop=[*here, "stop"],
        restart=shlex.join([*here, "restart", *worker.command]),
        logs=["tail", "-n", "50", "-F", str(log)],
    )


def end_supervised(directory: Path) -> None:
    """End the worker, should it still run."""
    pidfile = directory / "pid"
    if pidfile.exists():
        try:
            os.killpg(pid := int(pidfile.read_text()), 15)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
