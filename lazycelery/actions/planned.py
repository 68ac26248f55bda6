"""Plans that were made and not carried out yet: each once, and not for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lazycelery.actions.plan import Draft
from lazycelery.errors import Refused
from lazycelery.model.action import Plan, PlanItem

LIFETIME = 300.0
"""Seconds for which a plan may be carried out."""
MOST_PLANS = 50


@dataclass
class Planned:
    """A plan as a person sees it, and what carries it out."""

    plan: Plan
    draft: Draft
    began: float = 0.0
    """Epoch seconds; 0 while it is not carried out."""

    @property
    def work(self) -> list[PlanItem]:
        """What would really be done."""
        return [item for item in self.plan.items if item.refused is None]

    @property
    def objects(self) -> set[str]:
        """What it is about."""
        return objects(self.draft)


class Plans:
    """Plans by id; the oldest go when there are too many."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._planned: dict[str, Planned] = {}

    def keep(self, plan: Plan, draft: Draft) -> None:
        """Remember a plan until it is carried out or too old."""
        self._forget_old()
        while len(self._planned) >= MOST_PLANS:
            del self._planned[next(iter(self._planned))]
        self._planned[plan.id] = Planned(plan, draft)

    def known(self, plan_id: str) -> Planned:
        """A plan that may still be carried out. Raises `Refused` when there is none."""
        self._forget_old()
        planned = self._planned.get(plan_id)
        if planned is None:
            raise Refused(
                "This plan is unknown, done already, or older than 5 minutes.",
                "Plan it again. One is also over when another one of the same was carried out.",
            )
        return planned

    def use_up(self, planned: Planned) -> None:
        """Forget this plan, and those of the same action on the same: what they show is no longer so."""
        about = planned.objects
        self._planned = {
            plan_id: each
            for plan_id, each in self._planned.items()
            if each is not planned
            and (each.plan.action != planned.plan.action or about.isdisjoint(each.objects))
        }

    def _forget_old(self) -> None:
        oldest = self._clock() - LIFETIME
        self._planned = {
            plan_id: each for plan_id, each in self._planned.items() if each.plan.created >= oldest
        }


def objects(draft: Draft) -> set[str]:
    """What an action is about: its targets, and the queue where that is not one of them."""
    queue = draft.details.get("queue")
    targets = {item.target for item in draft.items if item.refused is None}
    return targets | ({queue} if isinstance(queue, str) else set())
