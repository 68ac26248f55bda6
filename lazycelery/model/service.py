"""How a worker is started, stopped and followed from outside of Celery: what a profile says of it."""

from __future__ import annotations

from typing import Literal

import msgspec

Deed = Literal["start", "stop", "restart", "logs"]
DEEDS: tuple[Deed, ...] = ("start", "stop", "restart", "logs")
Command = str | list[str] | None


class Service(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One `[[profiles.NAME.workers]]`. A command is a text, or a list of words; `None` is not there."""

    name: str
    """The worker's node name: `celery@web-1`."""
    host: str | None = None
    """Where the commands run, over the user's own `ssh`; `None`: here."""
    unit: str | None = None
    """A systemd unit: `systemctl` and `journalctl` stand in for commands that are not given."""
    start: Command = None
    stop: Command = None
    restart: Command = None
    logs: Command = None
    """Follows the log until it is ended."""

    def command(self, deed: Deed) -> str | list[str] | None:
        """The command of a deed, or that of its unit, or `None`."""
        given: Command = getattr(self, deed)
        if given or not self.unit:
            return given or None
        if deed == "logs":
            return ["journalctl", "--no-pager", "-n", "200", "-f", "-u", self.unit]
        return ["systemctl", deed, self.unit]


class LogText(msgspec.Struct, kw_only=True):
    """The end of a worker's log, as it is followed."""

    worker: str
    lines: list[str] = []
    """Oldest first, redacted, not safe for a terminal before `clean`."""
    dropped: int = 0
    """Older lines that are not kept any more."""
    running: bool = False
    command: str = ""
    why: str | None = None
    """Why there is nothing, or how it ended."""
