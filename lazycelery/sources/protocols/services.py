"""The commands by which a profile starts, stops and follows workers."""

from __future__ import annotations

from typing import Protocol

import msgspec

from lazycelery.model.service import Deed, Service


class Ran(msgspec.Struct):
    """What became of a command."""

    code: int | None
    """Its exit code; `None` when it was ended because it took too long."""
    output: str
    """The end of what it printed, stdout and stderr; untrusted."""


class Commands(Protocol):
    """The commands by which a profile starts, stops and follows workers."""

    def known(self) -> dict[str, Service]:
        """Workers that the profile has commands for."""

    def shown(self, name: str, deed: Deed) -> str:
        """A command as a person would type it. Raises `Refused` when there is none."""

    async def run(self, name: str, deed: Deed, *, timeout: float = 60.0) -> Ran:
        """Run a command to its end. Raises `Refused` when it cannot be started."""
