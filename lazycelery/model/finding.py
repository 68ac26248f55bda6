"""What the doctor finds: what is wrong, where, since when, how it is known, what helps."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
Kind = Literal["cluster", "worker", "queue", "task"]
RANK: dict[str, int] = {"critical": 0, "warning": 1, "info": 2}
"""Most severe first."""


class Evidence(msgspec.Struct, kw_only=True):
    """One fact that a finding rests on."""

    text: str
    """The fact in a few words, its number included: "7 messages wait"."""
    value: float | int | str | None = None
    """The number alone. Durations are seconds, sizes bytes, times epoch seconds."""
    source: str = ""
    """broker, control, event, result, inferred, or `monitor` for what we know of ourselves."""


class FindingMark(msgspec.Struct, kw_only=True):
    """What somebody said of a finding: known (`ack`: it stays in sight, no alert tells it again), or not now
    (`snooze`: folded away). It holds for these subjects at most, and up to this severity."""

    code: str
    subject: str
    kind: Literal["ack", "snooze"]
    by: str
    """`user@host`."""
    at: float
    """Epoch seconds, as `until`."""
    until: float | None = None
    """`None`: until the finding goes away."""
    note: str = ""
    severity: Severity = "info"
    """Of the finding when it was marked."""
    subjects: list[str] = []
    """All that the finding was about then."""


class Finding(msgspec.Struct, kw_only=True):
    """Field names are the JSON contract of `lazycelery doctor`."""

    code: str
    severity: Severity
    title: str
    """One sentence."""
    subject: str = ""
    """Name of the worker or queue, id of the task; "" for the cluster as a whole."""
    since: float | None = None
    """When it began, or when it was first seen; epoch seconds."""
    at_least: bool = False
    """It was so already when we looked first: `since` is no more than that, and it may be so for longer."""
    evidence: list[Evidence] = []
    fix: str = ""
    """What helps, in one sentence, with the exact setting or command."""
    actions: list[str] = []
    """Ids of `lazycelery.keys` that can be run from here."""
    kind: Kind = "cluster"
    """What the subject is."""
    related: list[str] = []
    """Other subjects of the same cause."""
    beyond: int = 0
    """How many more like it are told by no finding of their own."""
    cause: str = ""
    """What findings of one cause share where each has a subject of its own: the name of a task."""
    queues: list[str] = []
    """Queues that it touches, where it is about a worker or a task's name and they are known."""
    follows: list[str] = []
    """Workers whose loss it follows from: while that is told, it is told there."""
    filter: str = ""
    """Tasks that show it, in the language of the tasks' filter, where it is about a task name."""
    page: str = ""
    """The command that prints its page."""
    mark: FindingMark | None = None
    """What somebody said of it."""


class Covered(msgspec.Struct, kw_only=True):
    """A finding that is not said by itself, as another one speaks for it."""

    finding: Finding
    by: list[tuple[str, str]]
    """Code and subject of those that do; the nearest cause first."""


class Unchecked(msgspec.Struct, kw_only=True):
    """A failure mode that could not be looked for."""

    code: str
    why: str
    """What cannot be seen, and the setting that would show it."""


class Step(msgspec.Struct, kw_only=True):
    """One step from the broker to a busy pool, and how it does."""

    name: str
    ok: bool | None
    """`None`: not known."""
    text: str


class Examination(msgspec.Struct, kw_only=True):
    """All that one examination tells."""

    healthy: bool = True
    checked: list[str] = []
    """Codes that were looked for."""
    unchecked: list[Unchecked] = []
    findings: list[Finding] = []
    """Most severe first."""
    snoozed: list[Finding] = []
    """Findings that somebody put off: none of them counts for `healthy`."""
    steps: list[Step] = []
    """From broker to busy pool, when no worker answers."""
    at: float | None = None
    watched: float = 0.0
    """Seconds for which the cluster was watched before."""
    cost: float | None = None
    """CPU seconds of the examination."""
