"""Tasks that RabbitMQ holds until their ETA: Celery's native delayed delivery, on quorum queues.

They lie in queues named after the largest power of two, in seconds, that is left of their wait, and move down
until they are delivered by one exchange. For which queue each of them is stands in its routing key, which
RabbitMQ shows only by delivering it. So they are counted to a queue only where no other can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from lazycelery.model.reports import QueueReport
from lazycelery.sources.amqp.facts import QueueFacts

PATTERN = re.compile(r"(?P<prefix>.+_)?celery_delayed_(?P<level>\d{1,2}|delivery)")
"""Queues and exchanges of delayed delivery; the prefix is `broker_native_delayed_delivery_prefix`'s."""


FOLDED = "celery_delayed_*"
"""The one line that stands for all of them."""


class Held(msgspec.Struct):
    """What is held behind one delivering exchange."""

    count: int = 0
    within: float = 0.0
    """Seconds until the last of them at the latest."""
    queues: list[str] = []
    """Those that they can be for."""


def held(facts: Mapping[str, QueueFacts], behind: Callable[[str], set[str]]) -> list[Held]:
    """One for each delivering exchange; `behind` tells all queues that an exchange leads to."""
    found: dict[str, Held] = {}
    for name, each in facts.items():
        match = PATTERN.fullmatch(name)
        if match is None:
            continue
        exchange = f"{match['prefix'] or ''}celery_delayed_delivery"
        one = found.setdefault(exchange, Held())
        waiting = (each.messages_ready or 0) + (each.messages_unacknowledged or 0)
        if waiting and match["level"].isdecimal():
            one.count += waiting
            one.within = max(one.within, 2.0 ** (int(match["level"]) + 1))
    for exchange, one in found.items():
        one.queues = sorted(name for name in behind(exchange) if name in facts and not is_delayed(name))
    return list(found.values())


def is_delayed(name: str) -> bool:
    """Whether a queue or exchange is one of delayed delivery."""
    return PATTERN.fullmatch(name) is not None


def folded(facts: Mapping[str, QueueFacts], groups: list[Held], at: float) -> QueueReport | None:
    """All of them as one queue, or `None` where there are none."""
    own = [each for name, each in facts.items() if is_delayed(name)]
    if not own:
        return None
    count, within = sum(group.count for group in groups), max(group.within for group in groups)
    return QueueReport(
        name=FOLDED,
        at=at,
        type="delayed",
        messages=count,
        unacked=0,
        consumers=0,
        memory=sum(each.memory or 0 for each in own),
        folded=_sentence(groups, count, within, len(own)),
    )


def _sentence(groups: list[Held], count: int, within: float, own: int) -> str:
    text = f"RabbitMQ holds {count:,} {'task' if count == 1 else 'tasks'} until their ETA"
    queues = sorted({name for group in groups for name in group.queues})
    shown = ", ".join(queues[:3]) + (", …" if len(queues) > 3 else "")
    if queues:
        text += f", for {shown}"
    text += f", in {own:,} {'queue' if own == 1 else 'queues'} of delayed delivery"
    if count:
        text += f", the last one within {timedelta(seconds=round(within))}"
    if count and any(len(group.queues) > 1 and group.count for group in groups):
        text += "; for which of them each is, only taking it would tell"
    return text + "."


def by_queue(groups: list[Held]) -> dict[str, int | None]:
    """Tasks held for each queue that may have some; `None` where they can be for several."""
    found: dict[str, int | None] = {}
    for group in groups:
        alone = len(group.queues) == 1 or not group.count
        for queue in group.queues:
            before = found.get(queue, 0)
            found[queue] = before + group.count if alone and before is not None else None
    return found
