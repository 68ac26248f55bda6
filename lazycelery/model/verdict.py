"""Where something is and why it is not done, in one sentence, with the facts behind it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lazycelery.model.finding import Evidence
from lazycelery.model.worker import Worker

Thing = Literal["task", "queue", "worker"]


class Verdict(msgspec.Struct, kw_only=True):
    """The answer of `lazycelery why`, and the first sentence of a page of the screen."""

    kind: Thing
    subject: str
    """Id of the task, name of the queue or worker."""
    state: str | None = None
    """As `tasks` and `workers` have it; `None` for a queue."""
    text: str
    """One sentence."""
    until: float | None = None
    """When that will change, as far as it can be told; epoch seconds."""
    evidence: list[Evidence] = []
    findings: list[str] = []
    """Codes of findings about it."""
    actions: list[str] = []
    """Names of actions that would help."""
    worker: Worker | None = None
    """Of a worker: as it was in all its fields when this was said."""
    at: float | None = None
