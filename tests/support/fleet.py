"""Real Celery workers, started as processes and stopped by process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class CeleryWorker:
    """One `celery worker` process on the app of `tests.support.tasks`.

    Without `mingle` it does not wait a second at its start for what other workers have to say.
    """

    def __init__(
        self,
        broker: str,
        name: str = "w1",
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: str = "celery",
        events: bool = True,
        mingle: bool = False,
        backend: str | None = None,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        self.name = f"{name}@test"
        self.env = app_env(broker, backend, env)
        self.log = tempfile.mktemp(prefix="lazycelery-worker-", suffix=".log")
        self.command = [
            *(sys.executable, "-m", "celery", "-A", "tests.support.tasks", "worker", "-n", self.name),
            *("-P", pool, "-c", str(concurrency), "-Q", queues, "-l", "INFO"),
            *(["-E"] if events else []),
            *([] if mingle else ["--without-mingle"]),
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: float = 30) -> CeleryWorker:
        return self.launch().ready(wait)

    def launch(self) -> CeleryWorker:
        """Start it, and do not wait: several start side by side."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def ready(self, wait: float = 30) -> CeleryWorker:
        """Wait until it is, after `launch`."""
        assert self.process is not None
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            if f"{self.name} ready" in Path(self.log).read_text(errors="replace"):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("worker did not start:\n" + Path(self.log).read_text(errors="replace"))

    def stop(self) -> None:
        """As an operator does: what runs ends first, and it says goodbye. That takes seconds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a machine that dies: parent and children at once, no goodbye. At the end of a test, too."""
        self._end(signal.SIGKILL)

    def _end(self, how: int) -> None:
        if self.process is None:
            return
        try:
            if how == signal.SIGKILL:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.send_signal(how)
            self.process.wait(15)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)
        self.process = None


def app_env(broker: str, backend: str | None = None, env: dict[str, str] | None = None) -> dict[str, str]:
    """The environment under which `tests.support.tasks` is the app of this broker."""
    return {
        **os.environ,
        "TEST_BROKER": broker,
        "TEST_BACKEND": backend if backend is not None else broker,
        "PYTHONPATH": str(ROOT),
        **(env or {}),
    }


def send(broker: str, name: str, *args: Any, backend: str | None = None, **options: Any) -> str:
    """Send a task as a plain client would; returns its id. `kwargs`, `queue`, `priority` … pass through."""
    from celery import Celery

    transport = options.pop("transport_options", {})
    sent, conf = options.pop("sent_event", True), options.pop("conf", {})
    with Celery("client", broker=broker, backend=backend, set_as_current=False) as app:
        app.conf.task_send_sent_event = sent
        app.conf.broker_transport_options = transport
        app.conf.update(conf)
        return str(app.send_task(name, args=args, **options).id)
