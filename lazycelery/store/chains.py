"""Steps of chains, in the order in which they run, as messages tell; and which of them never ran.

When a step fails, Celery marks those after it as failed too, in the result backend. Nobody else ever hears of
them: they read as ordinary failures, without a name and without a worker.
"""

from __future__ import annotations

from typing import NamedTuple

from lazycelery.model.canvas import Step, steps
from lazycelery.model.message import Message

MOST_HOLDERS = 2000
MOST = 20_000
"""Steps that are remembered; beyond, the oldest is dropped."""


class Place(NamedTuple):
    """Where a step stands."""

    order: list[str]
    """Ids, the task whose message told first, shared by all its steps."""
    at: int
    name: str


class Chains:
    """Places by step."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._behind: dict[str, list[Step]] = {}
        """What comes after a task, by its own message."""

    def note(self, message: Message) -> None:
        """Note the steps that a message embeds. The first message tells most of them."""
        if not message.embed or not message.id:
            return
        order = [message.id]
        every = [step for step in steps(message.embed, message.id) if step.kind in ("next", "body")]
        self._behind[message.id] = [step for step in every if step.id is not None]
        for step in every:
            if step.id is not None and step.kind == "next":
                self._places.setdefault(step.id, Place(order, len(order), step.name))
                order.append(step.id)
        while len(self._places) > MOST:
            del self._places[next(iter(self._places))]
        while len(self._behind) > MOST_HOLDERS:
            del self._behind[next(iter(self._behind))]

    def behind(self, task: str) -> list[Step]:
        """What comes after a task, in order: by its own message, else by that of the step which began it."""
        if not self._behind:
            return []
        if task in self._behind:
            return self._behind[task]
        place = self._places.get(task)
        first = self._behind.get(place.order[0], []) if place is not None else []
        own = next((at for at, step in enumerate(first) if step.id == task), None)
        return first[own + 1 :] if own is not None else []

    def before(self, step: str) -> list[str]:
        """Ids of the steps before it, as far as known, the nearest first."""
        place = self._places.get(step)
        return place.order[: place.at][::-1] if place is not None else []

    def name(self, step: str) -> str | None:
        """The task that a step is of."""
        place = self._places.get(step)
        return place.name if place is not None else None
