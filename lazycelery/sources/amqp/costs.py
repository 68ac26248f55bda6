"""What taking messages to look at them costs on RabbitMQ, in words: before it is done, and after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.model.faces import by_face
from lazycelery.sources.amqp.taking import Look
from lazycelery.sources.jsontext import size_text

KEPT = 1000
"""Queues whose last look is remembered."""


def forced() -> str:
    """How to look all the same."""
    look = by_face("`lazycelery peek QUEUE --force` looks all the same; workers", "Workers")
    return f"{look} cannot take the messages meanwhile."


@dataclass(frozen=True)
class DeliveryLimit:
    """How often a message of a quorum queue may come back before RabbitMQ gives it up."""

    number: int | None
    """`None`: as often as it likes."""
    source: str
    """Who says so, in words."""

    @property
    def text(self) -> str:
        """One sentence."""
        if self.number is None:
            return f"It may come back as often as it likes ({self.source})."
        return (
            f"RabbitMQ gives up a message that came back more than {self.number} times ({self.source}); one "
            "near that goes back as a fresh copy."
        )


class LastLooks:
    """How often the messages of quorum queues had been delivered, as the last look at each found it."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, int]] = {}

    def note(self, queue: str, most: int) -> None:
        """`most`: deliveries before the look of the one that had the most."""
        self._found.pop(queue, None)
        self._found[queue] = (time.monotonic(), most + 1)
        if len(self._found) > KEPT:
            del self._found[next(iter(self._found))]

    def text(self, queue: str) -> str:
        """What the last look left behind; "" when there was none."""
        if queue not in self._found:
            return ""
        at, most = self._found[queue]
        minutes = (time.monotonic() - at) / 60
        ago = "less than a minute ago" if minutes < 1 else f"{minutes:.0f} minutes ago"
        return f"After our last look, {ago}, the most delivered of them had {most}."


def before(queue: str, kind: str | None, limit: DeliveryLimit, last: str) -> str:
    """What a look at some messages would do."""
    if kind == "classic":
        return f"On {queue} that marks them as redelivered; their order stays."
    if kind == "quorum":
        of = "without a limit" if limit.number is None else f"of at most {limit.number:,}"
        # The first lines must say it all: a question on a small screen shows no more.
        told = (
            f"Each look at {queue} (quorum) is one delivery more for all that are shown, {of}, and moves "
            "them to the end."
        )
        return " ".join(filter(None, (told, limit.text, last)))
    return (
        f"What that does to {queue} depends on its type, which the management API would tell: if it is a "
        "quorum queue, each look counts as a delivery and moves them to the end."
    )


def of_a_pass(queue: str, kind: str | None, limit: DeliveryLimit) -> list[str]:
    """What it does to those that stay, when all are looked through."""
    if kind == "classic":
        return [
            f"RabbitMQ shows messages only by delivering them: those that stay in {queue} are marked as "
            "redelivered; their order stays."
        ]
    sure = f"{queue} is a quorum queue" if kind == "quorum" else f"If {queue} is a quorum queue"
    told = [
        f"{sure}: for the messages that stay this counts as a delivery, and they go behind those that were "
        "not looked at, in their order."
    ]
    return (
        [*told, limit.text] if kind == "quorum" else [*told, "Those near the limit go back as fresh copies."]
    )


def after(
    kind: str | None, look: Look, raws: Sequence[bytes], wanted: int, limit: DeliveryLimit
) -> str | None:
    """What a look did."""
    told = ["They are marked as redelivered now."] if raws else []
    if raws and kind != "classic":
        told = ["If this is a quorum queue, the look" if kind is None else "This look"]
        told[0] += " counted as a delivery, and moved them to the end."
    if raws and kind == "quorum":
        of = "" if limit.number is None else f" of {limit.number} ({limit.source})"
        told.append(f"The most delivered of them has {look.most_delivered + 1}{of} now.")
    if look.saved:
        told.append(f"{look.saved:,} near the limit of deliveries went back as fresh copies.")
    if len(raws) < min(look.total, wanted):
        told.append(f"Stopped after {size_text(sum(map(len, raws)))}.")
    return " ".join(told) or None
