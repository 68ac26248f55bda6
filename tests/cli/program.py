"""The installed program as a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support.fleet import ROOT


class Done(NamedTuple):
    code: int
    raw_out: bytes
    raw_err: bytes

    @property
    def out(self) -> str:
        return self.raw_out.decode()

    @property
    def err(self) -> str:
        return self.raw_err.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def script() -> str:
    """The console script that the package installs."""
    found = shutil.which("lazycelery", path=sysconfig.get_path("scripts"))
    assert found, "the package is not installed in this environment"
    return found


def lazycelery(broker: str, *args: str, timeout: float = 30) -> Done:
    """Run a command without a terminal, as scripts do."""
    done = subprocess.run(
        [script(), "--broker", broker, *args],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def until(question: Callable[[], Any], seconds: float = 15) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came true")
