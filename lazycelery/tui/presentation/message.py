"""A task's true message, as it lies in the broker."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.message import Death, Message
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import Joined, wrapped
from lazycelery.tui.presentation.fields import field_lines
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.values import value_body


def message_lines(message: Message, width: int) -> Sequence[Line]:
    """Properties, body, canvas, headers."""
    fields = [
        ("task", "task", clean(message.task or q.UNKNOWN, 120)),
        ("position", "position", "next to run" if message.position == 0 else q.count(message.position)),
        ("content", "content_type", clean(message.content_type or q.UNKNOWN, 60)),
        ("size", "size", q.size(message.size)),
        ("priority", "priority", q.count(message.priority)),
        ("retries", "retries", q.count(message.retries)),
        ("eta", "eta", clean(message.eta or q.UNKNOWN, 40)),
        ("expires", "expires", clean(message.expires or q.UNKNOWN, 40)),
        ("again", "redelivered", _again(message.redelivered)),
        ("age", "age", q.age(message.age)),
    ]
    if message.death is not None:
        fields.append(("died", "death", died(message.death)))
    parts: list[Sequence[Line]] = [field_lines(fields, {}, width), [()]]
    if message.problem:
        parts += [wrapped(message.problem, width, "warn"), [()]]
    parts += [
        _head("args"),
        value_body(message.args, "  "),
        _head("kwargs"),
        value_body(message.kwargs, "  "),
    ]
    if message.embed:
        parts += [_head("callbacks, chain, chord"), value_body(message.embed, "  ")]
    return Joined(*parts, _head("headers"), value_body(message.headers, "  "))


def died(death: Death) -> str:
    """Why and where it was dead-lettered: `rejected ×3 in default`."""
    times = f" ×{death.count:,}" if death.count is not None else ""
    return f"{clean(death.reason, 40)}{times} in {clean(death.queue, 120)}"


def _again(redelivered: bool | None) -> str:
    if redelivered is None:
        return q.UNKNOWN
    return "delivered before" if redelivered else "first delivery"


def _head(text: str) -> list[Line]:
    return [((text, "head"),)]
