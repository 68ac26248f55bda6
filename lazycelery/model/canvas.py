"""A canvas: tasks sent as one (chain, group, chord), and the steps that wait inside their messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

MOST = 1000
"""Signatures that are read out of one message."""
DEEPEST = 50
Kind = Literal["next", "body", "callback", "errback"]
NESTED = ("celery.chain", "celery.group", "celery.chord")


class Part(msgspec.Struct, kw_only=True):
    """A header task of a chord that has returned, as the result backend counts it."""

    id: str
    """Of a chain in the header: its last step."""
    index: int | None
    """Its place in the header; `None` where the backend does not tell."""
    status: str
    """SUCCESS, FAILURE, REVOKED …"""
    value: Any = None
    exact: bool = False
    """`value` is the whole result, as it was."""


NOT_SENT = "not sent"
"""The state of a step that only a message tells of."""


class Counter(msgspec.Struct, kw_only=True):
    """What a result backend counts of a chord."""

    group: str
    size: int | None = None
    """How many must return; `None` once the chord has ended."""
    parts: list[Part] = []
    whole: bool = True
    """False: there are more parts than were read."""
    saved: bool = False
    """Its header was saved: it has groups or chords inside."""


class Step(msgspec.Struct, kw_only=True):
    """A signature inside a message: a task that is not sent yet, or was sent when its turn came."""

    id: str | None
    """`None`: it gets one when it is sent."""
    name: str
    kind: Kind
    holder: str
    """The task in whose message it was seen."""
    queue: str | None = None


class Member(msgspec.Struct, kw_only=True):
    """A line of a plan about a canvas."""

    id: str
    name: str | None = None
    state: str
    """A state of tasks, `running`, `reserved`, or `not sent`."""
    source: str
    """Where the state comes from: event, control, broker, result; for a step, the message that holds it."""
    note: str = ""


def steps(embed: Mapping[str, Any] | None, holder: str, depth: int = DEEPEST) -> list[Step]:
    """What a message says comes after its task: the rest of the chain in order, the chord's body, links."""
    if not embed:
        return []
    chain = embed.get("chain")
    every: list[tuple[Kind, Any]] = [
        *(("next", each) for each in reversed(chain if isinstance(chain, list) else [])),
        ("body", embed.get("chord")),
        *(("callback", each) for each in _list(embed.get("callbacks"))),
        *(("errback", each) for each in _list(embed.get("errbacks"))),
    ]
    found: list[Step] = []
    for kind, signature in every:
        for one in leaves(signature):
            if len(found) >= MOST:
                return found
            options = options_of(one)
            own, queue = options.get("task_id"), options.get("queue")
            found.append(
                Step(
                    id=own if isinstance(own, str) else None,
                    name=str(one.get("task") or "?"),
                    kind=kind,
                    holder=holder,
                    queue=queue if isinstance(queue, str) else None,
                )
            )
        # What comes after a step of a chain that ends a chord's header is the chord's body.
        body = options_of(signature).get("chord")
        if body and depth > 0:
            found += steps({"chord": body}, holder, depth - 1)[: MOST - len(found)]
    return found


def leaves(signature: Any, depth: int = DEEPEST) -> Iterator[Mapping[str, Any]]:
    """The tasks of a signature, those of chains, groups and chords one by one."""
    if not isinstance(signature, Mapping) or depth <= 0:
        return
    if signature.get("task") not in NESTED:
        yield signature
        rest = options_of(signature).get("chain")
        for each in reversed(rest if isinstance(rest, list) else []):
            yield from leaves(each, depth - 1)
        return
    kwargs = signature.get("kwargs")
    kwargs = kwargs if isinstance(kwargs, Mapping) else {}
    for inner in (*_list(kwargs.get("tasks")), *_list(kwargs.get("header")), kwargs.get("body")):
        yield from leaves(inner, depth - 1)


def options_of(signature: Any) -> Mapping[str, Any]:
    """A signature's options; none for what is no signature."""
    options = signature.get("options") if isinstance(signature, Mapping) else None
    return options if isinstance(options, Mapping) else {}


def _list(value: Any) -> list[Any]:
    if isinstance(value, Mapping):  # A group in the place of a list: its signature.
        return [value]
    return value if isinstance(value, list) else []
