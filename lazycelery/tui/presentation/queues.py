"""Queues as rows, and a queue as a page."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.message import Message, PeekPage
from lazycelery.model.queue import Queue
from lazycelery.model.text import clean, short_value
from lazycelery.model.verdict import Verdict
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.charts import chart
from lazycelery.tui.presentation.fields import field_lines
from lazycelery.tui.presentation.line import Column, Line, Span, choose, row
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.message import died
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.signs import gauge, sparkline
from lazycelery.tui.presentation.verdict import verdict_lines

COLUMNS = (
    Column("", 1),
    Column("QUEUE", 8, grow=3, cut="name"),
    Column("WAITING", 7, right=True),
    Column("", 4, rank=3),
    Column("TREND", 7, rank=2, right=True),
    Column("UNACKED", 8, rank=4, right=True),
    Column("CONSUMERS", 9, rank=5, right=True),
    Column("OLDEST", 7, rank=6, right=True),
    Column("DRAIN", 7, rank=7, right=True),
    Column("WORKERS", 16, grow=3, rank=8),
)
TABS = ("Depth", "Messages")


def unattended(queue: Queue) -> bool:
    """Messages wait, and nobody is known to take them."""
    if queue.dead_letter_from or queue.folded:
        return False  # Dead letters lie there for somebody to look at.
    return bool(queue.messages) and queue.consumers == 0


def dead(queue: Queue) -> bool:
    """It holds dead letters of other queues."""
    return bool(queue.messages and queue.dead_letter_from)


def faulty(queue: Queue) -> bool:
    """What `f` shows."""
    return bool(queue.error or queue.trouble) or unattended(queue) or dead(queue)


def trend(queue: Queue) -> float | None:
    """Messages a second that come and stay, negative when it shrinks."""
    if queue.in_rate is None or queue.out_rate is None:
        return None
    return queue.in_rate - queue.out_rate


def _depth(number: int | None) -> str:
    return q.count(number) if number is None or number < 1_000_000 else q.short_count(number)


def cells(queue: Queue, look: Look) -> list[Span]:
    """A queue in the order of `COLUMNS`."""
    alone = unattended(queue)
    sign = (
        (look.signs.warning, "fail" if queue.trouble == "critical" else "warn")
        if faulty(queue)
        else (look.signs.online, "ok" if queue.workers else "dim")
    )
    flow: Span = ("nobody", "warn") if alone else (q.rate(trend(queue), signed=True), "dim")
    if dead(queue):
        flow = "dead", "warn"
    if look.as_of is not None:  # Who takes from it now, nobody knows.
        sign, flow = (look.signs.unknown, "dim"), (q.UNKNOWN, "dim")
    return [
        sign,
        (clean(queue.name, 120), ""),
        (_depth(queue.messages), "warn" if alone or dead(queue) else "" if queue.messages else "dim"),
        (sparkline(queue.history, 4, look.signs), "accent"),
        flow,
        (q.count(queue.unacked), ""),
        (q.count(queue.consumers), ""),
        (q.rough_age(queue.oldest_age), ""),
        (q.rough_age(queue.drain_time), ""),
        (clean(", ".join(name.removeprefix("celery@") for name in queue.workers), 200), "dim"),
    ]


def matches(queue: Queue, text: str) -> bool:
    """Whether a substring is found in the name or its workers."""
    return text.lower() in " ".join([queue.name, *queue.workers]).lower()


def page(
    queue: Queue,
    verdict: Verdict | None,
    peek: PeekPage | str | None,
    tab: int,
    look: Look,
    width: int,
) -> Page:
    """All about one queue. `peek` is the answer, why there is none, or `None` while it is awaited."""
    body = _overview(queue, verdict, look, width) if tab == 0 else _messages(queue, peek, look, width)
    return Page(((clean(queue.name, 200), "title"),), TABS, tab, body)


def first_lines(queue: Queue, verdict: Verdict | None, look: Look, width: int) -> list[Line]:
    """How the queue is, in one sentence."""
    growing = trend(queue)
    bad = faulty(queue) or bool(queue.messages and growing is not None and growing > 0.05)
    token = "fail" if queue.trouble == "critical" else "warn"
    sign: Span = (look.signs.warning, token) if bad else (look.signs.online, "ok")
    state = "not counted yet" if queue.messages is None else q.counted(queue.messages, "message")
    return verdict_lines(verdict, state, sign, look, width)


def _overview(queue: Queue, verdict: Verdict | None, look: Look, width: int) -> list[Line]:
    lines = first_lines(queue, verdict, look, width)
    lines.append(())
    lines += field_lines(_fields(queue), queue.sources, width)
    lines += [(), (("Depth, newest on the right", "head"),), *_history(queue, look, width)]
    lines += [(), *_priorities(queue, look, width), (), *_workers(queue), *_letters(queue, width)]
    does = "looks at the waiting messages without taking them"
    if queue.type not in (None, "list"):
        does = "tells what a look at the waiting messages would do to them"
    return [*lines, (), ((f"{look.key('peek')} {does}.", "dim"),)]


TALL = 3
"""Lines of the chart of a queue's depth."""


def _history(queue: Queue, look: Look, width: int) -> list[Line]:
    """The depths of the last minutes over the whole width, with the numbers of the axis."""
    if not queue.history:
        return [(("No depth is known yet.", "dim"),)]
    wide = max(1, min(len(queue.history) * 4, width - 10))
    each = max(1, wide // len(queue.history))
    spread = [float(depth) for depth in queue.history for _ in range(each)]
    lines = chart(spread, min(wide, len(spread)), TALL, look.signs)
    scale = [_depth(max(queue.history)), *[""] * (TALL - 2), "0"]
    return [((line, "accent"), (f" {mark}", "dim")) for line, mark in zip(lines, scale, strict=True)]


def _fields(queue: Queue) -> list[tuple[str, str, str]]:
    return [
        ("waiting", "messages", q.count(queue.messages)),
        ("unacked", "unacked", q.count(queue.unacked)),
        ("consumers", "consumers", q.count(queue.consumers)),
        ("oldest", "oldest_age", q.rough_age(queue.oldest_age)),
        ("in", "in_rate", q.rate(queue.in_rate)),
        ("out", "out_rate", q.rate(queue.out_rate)),
        (
            "a new one",
            "wait_estimate",
            "waits for a consumer" if queue.consumers == 0 else f"waits {q.rough_age(queue.wait_estimate)}",
        ),
        ("empty in", "drain_time", q.rough_age(queue.drain_time)),
        ("type", "type", clean(queue.type or q.UNKNOWN)),
        ("binding", "bound", "yes" if queue.bound else "none names it"),
        *_broker_fields(queue),
    ]


def _broker_fields(queue: Queue) -> list[tuple[str, str, str]]:
    """What only some brokers tell."""
    fields = []
    if queue.unacked_age is not None:
        fields.append(("held for", "unacked_age", f"{q.rough_age(queue.unacked_age)}, the longest"))
    if queue.delayed is not None:
        fields.append(("for later", "delayed", f"{q.count(queue.delayed)} until their ETA"))
    if queue.memory is not None:
        fields.append(("memory", "memory", q.size(queue.memory)))
    if queue.policy is not None:
        fields.append(("policy", "policy", clean(queue.policy, 120)))
    return fields


def _letters(queue: Queue, width: int) -> list[Line]:
    """Where dead letters come from, and where they go."""
    lines: list[Line] = []
    if queue.dead_letter_from:
        sources = clean(", ".join(queue.dead_letter_from), 1000)
        lines += wrapped(f"Dead letters come here from {sources}.", width, "warn")
    if queue.dead_letter_exchange is not None:
        name = clean(queue.dead_letter_exchange, 120)
        exchange = f"the exchange {name}" if name else "the default exchange"
        if queue.dead_letter_to is not None:
            lines += wrapped(
                f"Dead letters go to {clean(queue.dead_letter_to, 200)}, by {exchange}.", width, ""
            )
        elif queue.dead_letter_lost is not None:
            text = f"Dead letters are lost: {clean(queue.dead_letter_lost, 300)}."
            lines += wrapped(text, width, "warn")
        else:
            text = (
                f"Dead letters go to {exchange}, and no other queue is known to get them: they may be lost."
            )
            lines += wrapped(text, width, "warn")
    return lines


def _priorities(queue: Queue, look: Look, width: int) -> list[Line]:
    if not queue.priorities:
        return []
    most = max(queue.priorities.values(), default=0)
    lines: list[Line] = [((_order(queue), "head"),)]
    for name, number in queue.priorities.items():
        room = max(20, min(60, width - 16))
        bar = gauge(number, most, room, look.signs) if most else look.signs.empty * room
        lines.append(((f"{clean(name, 8):>4} ", "dim"), (bar, "accent"), (f" {q.count(number)}", "")))
    return lines


def _order(queue: Queue) -> str:
    """Which runs first: RabbitMQ and Redis count in opposite directions."""
    if queue.first_priority is not None:
        return f"Priorities, the highest runs first: up to {queue.first_priority}"
    return "Priorities, 0 runs first" if queue.type == "list" else "Priorities"


def _workers(queue: Queue) -> list[Line]:
    if not queue.workers:
        return [(("No worker is known to consume it.", "dim"),)]
    return [(("Consumed by ", "dim"), (clean(", ".join(queue.workers), 1000), ""))]


MESSAGES = (
    Column("#", 5, right=True),
    Column("ID", 8),
    Column("TASK", 12, grow=1, cut="name"),
    Column("PRIO", 4, rank=3, right=True),
    Column("TRIES", 5, rank=4, right=True),
    Column("SIZE", 7, rank=2, right=True),
    Column("ARGS", 16, grow=3, rank=1),
)


def _messages(queue: Queue, peek: PeekPage | str | None, look: Look, width: int) -> Sequence[Line]:
    if peek is None:
        return [(("Looking at the first messages …", "dim"),)]
    if isinstance(peek, str):
        return wrapped(peek, width, "warn")
    if not peek.messages:
        return [(("No message waits here.", "dim"),)]
    shown = choose(MESSAGES, width)
    lines = [row([(column.title, "head") for column in MESSAGES], MESSAGES, shown)]
    lines += [row(_message(message), MESSAGES, shown) for message in peek.messages]
    more = peek.total - len(peek.messages)
    if more > 0:
        lines.append(((f"… and {more:,} more. The first one runs next.", "dim"),))
    if peek.note:
        lines += wrapped(peek.note, width, "warn")
    return lines


def _message(message: Message) -> list[Span]:
    if message.decoded and message.problem is None:
        args = f"{short_value(message.args, 200)} {short_value(message.kwargs, 200)}"
    else:
        args = clean(message.problem or f"{message.content_type or 'unknown content'}, not decoded", 200)
    if message.death is not None:
        args = f"{died(message.death)}  {args}"
    return [
        (str(message.position), "dim"),
        (q.short_id(message.id), "accent"),
        (clean(message.task or q.UNKNOWN, 120), ""),
        (q.count(message.priority), "dim"),
        (q.count(message.retries), "dim"),
        (q.size(message.size), "dim"),
        (args, "dim"),
    ]
