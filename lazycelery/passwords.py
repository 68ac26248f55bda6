"""Passwords that a command or the system's keyring gives. None is ever shown or stored."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from lazycelery.errors import ConnectionProblem

COMMAND_TIMEOUT = 15.0
"""Seconds that a command may take: some ask a person for a finger on a key."""
AGAIN = 60.0
"""Seconds before a way that failed is tried again: nobody wants to be asked each second."""
TERMINALS = ("GPG_TTY",)
"""Variables that tell a command of a terminal, which belongs to our screen."""


class NoPassword(Exception):
    """Why there is none, as what the way of it did ("ended with code 1"), and what helps."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def from_command(words: Sequence[str], began: Callable[[subprocess.Popen[bytes]], None] | None = None) -> str:
    """The first line that a command prints. No shell; its output is never shown. Raises `NoPassword`.

    With `began` it has no terminal, ours belongs to a screen; it gets the process, for `kill`."""
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=began is not None,
            env=None if began is None else _without_terminal(),
        )
    except OSError as error:
        raise NoPassword(f"cannot be started: {error.strerror}", "It is run without a shell.") from None
    if began is not None:
        began(process)
    try:
        printed, _ = process.communicate(timeout=COMMAND_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NoPassword(f"did not answer within {COMMAND_TIMEOUT:.0f} s") from None
    finally:
        _end(process)
    if process.returncode != 0:
        raise NoPassword(f"ended with code {process.returncode}", "Run it yourself to see why.")
    lines = printed.decode(errors="replace").splitlines()
    if not lines or not lines[0]:
        raise NoPassword("printed nothing", "It must print the password on its first line.")
    return str(lines[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """What it started may hold the pipe on: that is not waited for."""
    if process.poll() is None:
        kill(process)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it started, where it has a session of its own."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg") and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def from_keyring(entry: str) -> str:
    """A password of the system's keyring, named "service/user". Raises `NoPassword`."""
    service, separator, user = entry.rpartition("/")
    if not separator or not service or not user:
        raise NoPassword('should be "service/user"', 'For example keyring = "celery-prod/redis"')
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise NoPassword(
            "needs the package keyring, which is not installed", "pip install 'lazycelery[keyring]'"
        ) from None
    try:
        password = keyring.get_password(service, user)
    except Exception as error:  # keyring backends raise what they like; its text may hold anything
        raise NoPassword(f"cannot be read from the keyring ({type(error).__name__})") from None
    if not password:
        raise NoPassword("is not in the keyring", f"keyring set {service} {user}")
    return str(password)


class Password:
    """A password that is asked for when it is needed, once, by whichever thread comes first."""

    def __init__(self, command: Sequence[str] = (), keyring: str = "", named: str = "") -> None:
        """`named`: the settings' names begin with it."""
        self._command, self._keyring, self._named = tuple(command), keyring, named
        self._lock = threading.Lock()
        self._known: str | None = None
        self._refused: ConnectionProblem | None = None
        self._next = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False

    def __call__(self) -> str:
        """Waits for the command. Raises `ConnectionProblem`."""
        with self._lock:
            if self._known is None:
                self._known = self._asked()
            return self._known

    def wrong(self) -> None:
        """It was not let in: it may have been changed, and is asked for again, but not at once."""
        with self._lock:
            if self._known is not None and time.monotonic() >= self._next:
                self._known, self._next = None, time.monotonic() + AGAIN

    def give_up(self) -> None:
        """Whoever waits for it waits no more."""
        self._given_up = True
        if (process := self._process) is not None and process.poll() is None:
            kill(process)

    def _asked(self) -> str:
        if self._refused is not None and time.monotonic() < self._next:
            raise self._refused
        way = f"{self._named}{'keyring' if self._keyring else 'password_command'}"
        try:
            if self._given_up:
                raise NoPassword("is not asked for any more: the monitor ends")
            if self._keyring:
                return from_keyring(self._keyring)
            return from_command(self._command, self._began)
        except NoPassword as problem:
            self._next = time.monotonic() + AGAIN
            self._refused = ConnectionProblem(f"The setting {way} {problem.what}.", problem.hint)
            raise self._refused from None

    def _began(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self._given_up:
            kill(process)


def _without_terminal() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in TERMINALS}
