"""Processes that end together: with the demo, whatever ends the demo."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lazycelery.errors import LazyCeleryError

GUARDIAN = Path(__file__).with_name("guardian.py")


class ProcessGroup:
    """A private directory and a process group of its own, led by a guardian.

    Three things end the group, and one of them always happens: `end`; the guardian, when the demo
    is gone; and `leash.hold`, in every process that got `leashed`, should the guardian be gone too.
    Being no part of the terminal's foreground group, the processes see none of its Ctrl-C.
    """

    def __init__(self, grace: float = 0.0) -> None:
        if os.name != "posix":
            raise LazyCeleryError(
                "The demo's workers need Linux or macOS.",
                "Run it in WSL, or point lazycelery at a cluster: lazycelery --broker redis://host/0",
            )
        self.grace = grace
        """Seconds that `end` and the guardian leave for a polite end."""
        self.directory = Path(tempfile.mkdtemp(prefix="lazycelery-demo-"))
        self._leash, self._hold = os.pipe()
        self._members: list[subprocess.Popen[bytes]] = []
        self._guardian = self._start_guardian()

    def start(
        self, name: str, command: Sequence[str], *, env: dict[str, str] | None = None, leashed: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a member; what it prints goes to `log(name)`. `leashed` ones find the leash at stdin."""
        with self.log(name).open("wb") as log:
            member = subprocess.Popen(
                command,
                stdin=self._leash if leashed else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=self.directory,
                **_in_group(self._guardian.pid),
            )
        self._members.append(member)
        return member

    def log(self, name: str) -> Path:
        """The file with what a member printed."""
        return self.directory / f"{name}.log"

    def end(self) -> None:
        """End all members and their children, and remove the directory. Safe to call twice."""
        if self._hold < 0:
            return
        if self.grace:
            self._ask_politely()
        # The guardian is not yet waited for, so its number still means this group and no other.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._guardian.pid, signal.SIGKILL)
        for member in (*self._members, self._guardian):
            member.wait()
        os.close(self._leash)
        os.close(self._hold)
        self._hold = -1
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start_guardian(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARDIAN), str(self.directory), str(self.grace)],
            stdin=self._leash,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_in_group(0),
        )

    def _ask_politely(self) -> None:
        for member in self._members:
            member.terminate()
        for member in self._members:
            with contextlib.suppress(subprocess.TimeoutExpired):
                member.wait(self.grace)


def _in_group(group: int) -> dict[str, Any]:
    """Arguments for Popen: start in this process group (0: lead one)."""
    if sys.version_info >= (3, 11):
        return {"process_group": group}
    return {"preexec_fn": lambda: os.setpgid(0, group)}
