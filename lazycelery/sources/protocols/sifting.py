"""Some messages of a queue looked through, moved or removed, while workers go on with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from lazycelery.model.message import StoredMessage

GONE = ""
"""As the target of a message: it goes nowhere."""
Pick = Callable[[StoredMessage], str | None]
"""Where a message of a queue goes: another queue's name, `GONE`, or `None`: it stays. Must not wait."""
Save = Callable[[Sequence[StoredMessage]], None]
"""Returns when these messages are safe on disk."""
Settled = Callable[[Sequence[bool]], None]
"""Told of each message that was saved since the last call whether it is now where it was to be."""
HALTED = "stopped by hand"
"""The problem of what somebody stopped in between."""


class Pace(Protocol):
    """How fast a pass goes that is written down message by message, and whether it is to go on."""

    @property
    def halting(self) -> bool:
        """It is to stop: what is under way is finished, and nothing else is begun."""

    def page(self, most: int) -> int:
        """How many messages go together, `most` at most."""

    async def pace(self, number: int) -> None:
        """Wait until others may go, after so many."""


class Looked(msgspec.Struct, kw_only=True):
    """How far a look through a queue came."""

    total: int
    """Waiting when it began."""
    looked: int
    renewed: int = 0
    """Messages near the limit of their deliveries that went back as fresh copies (quorum queues)."""
    cut: str = ""
    """Why it ended before all were seen, as the end of a sentence; empty when it did not."""


class Shifted(Looked, kw_only=True):
    """What became of the messages that were picked."""

    done: dict[str, int] = {}
    """Messages by target; `GONE` counts those that were removed."""
    missed: int = 0
    """Picked, and no longer there a moment later: a worker has them."""
    rejected: int = 0
    """Picked, and not taken by their target: they are where they were."""
    unknown: int = 0
    """Sent, and the answer was lost: they are where they were, and perhaps at their target as well."""
    unproven: int = 0
    """Counted as done, and not proven to have left: should the broker forget that, they wait there too."""
    problem: str = ""
    """Why it stopped in the middle; empty when it did not."""


@runtime_checkable
class Sifting(Protocol):
    """What a `QueueOps` can do with some messages of a queue, while workers go on with it."""

    may_double: bool
    """Whether a message that was being moved when we were killed may be in both queues."""

    async def cost(self, queue: str) -> list[str]:
        """What looking through a queue does to the messages that stay, in sentences; empty: nothing."""

    async def look_through(self, queue: str, show: Callable[[StoredMessage], None], most: int) -> Looked:
        """Show waiting messages, next to run first. Bounded in messages and bytes."""

    async def shift(
        self,
        queue: str,
        pick: Pick,
        save: Save,
        settled: Settled,
        most: int,
        front: bool = False,
        pace: Pace | None = None,
    ) -> Shifted:
        """Move or remove the messages that `pick` picks, at most `most` looked at: bytes, headers,
        priority and order kept, to the end of their target that runs last (`front`: that runs next, where
        the transport can).

        With `pace` it can be halted in between (`HALTED` is its problem then), and ends when of a page none
        is taken by its target.

        `save` gets them before they are touched, and `settled` what became of them. Whatever happens to
        us, each message is in one of the two queues, or (RabbitMQ) those that were saved and not settled
        may be in both. An error says `nothing_done` only when certainly nothing was."""
