"""A real `celery beat`, started as a process on the app of `tests.support.tasks`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.fleet import ROOT, app_env

REDBEAT = "redbeat.RedBeatScheduler"
DATABASE = "django_celery_beat.schedulers:DatabaseScheduler"


def conf(**settings: Any) -> dict[str, str]:
    """Settings of the application, as the environment of its workers and beats."""
    return {"TEST_CONF": json.dumps(settings)}


class CeleryBeat:
    """One beat; it looks at its schedule at least every second."""

    def __init__(
        self,
        broker: str,
        *,
        scheduler: str = "",
        app: str = "tests.support.tasks",
        env: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self.dir = tempfile.mkdtemp(prefix="lazycelery-beat-")
        self.log = f"{self.dir}/log"
        self.env = app_env(broker, None, env)
        self.command = [
            *(sys.executable, "-m", "celery", "-A", app, "beat", "-l", "DEBUG"),
            *("--pidfile=", "--max-interval", "1", "-s", f"{self.dir}/schedule"),
            *(("-S", scheduler) if scheduler else ()),
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: float = 30) -> CeleryBeat:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            if "beat: Starting" in self.said():
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("beat did not start:\n" + self.said())

    def said(self) -> str:
        return Path(self.log).read_text(errors="replace")

    def sent(self, name: str) -> int:
        """How often it has sent an entry."""
        return self.said().count(f"Sending due task {name} ")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            self.process = None
