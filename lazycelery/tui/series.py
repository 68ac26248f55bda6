"""What the engine does to one thing at a time, done to several: one question, then one after another.

Each is a plan of its own, with its own backup and its own lines in the audit log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import dirname
from time import monotonic

from lazycelery.engine.api import EngineApi
from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.footer import Question

MOST = 40
"""Plans that an engine keeps for one series."""
SAMPLE = 3
"""Things that the question names."""
UNITS = {
    **dict.fromkeys(("purge", "move", "delete", "requeue", "restore"), "message"),
    "retry": "task",
    "revoke": "task",
}
"""What a plan counts."""
FRESH = 240.0
"""Seconds after which a plan of a long series is made anew in its turn: an engine forgets it after 300."""
AGAIN = ("consumers", "send", "move", "requeue")
"""Actions whose plans share a worker or a queue, so that the engine drops them when one of them is carried
out: each is made anew in its turn."""

Told = tuple[str, str]
"""A thing, and what became of it."""


class Series:
    """Several orders of one action, by the names of what they are about.

    `what` says what is done, with `{}` for what it is done to ("purge {}"), `kind` what that is ("queue").
    """

    def __init__(self, what: str, kind: str, orders: Mapping[str, Order]) -> None:
        self._what = what
        self.kind = kind
        self._orders = dict(orders)
        self.plans: dict[str, Plan] = {}
        self._planned: dict[str, float] = {}
        self.left_out: list[Told] = []
        """What cannot be done, and why."""
        self.done: list[Told] = []
        self.failed: list[Told] = []
        self.undoes: list[Order] = []
        """What undoes it, the last first."""

    def doing(self, to: str) -> str:
        """What is done to something."""
        text = self._what.replace("{}", to)
        return text[:1].upper() + text[1:]

    def _these(self, number: int) -> str:
        if number == 1:
            return self.doing(f"this {self.kind}")
        return f"{self.doing(f'these {q.counted(number, self.kind)}')}, one after another"

    async def plan(self, api: EngineApi) -> None:
        """Look at each. Nothing has been touched then."""
        for name, order in self._orders.items():
            plan, why = await _planned(api, order)
            if plan is None:
                self.left_out.append((name, why))
            else:
                self.plans[name], self._planned[name] = plan, monotonic()

    # ---- the question

    @property
    def question(self) -> Question:
        """How many of what, each with its count, and what is left out."""
        plans = list(self.plans.values())
        typed = any(plan.level == "typed" for plan in plans)
        title = self.doing(q.counted(len(plans), self.kind))
        if (unit := UNITS.get(plans[0].action)) is not None:
            title += f": {q.counted(sum(plan.count for plan in plans), unit)} in all"
        return Question(
            title,
            f"{self._these(len(plans))}?",
            "typed" if typed else "letter",
            str(len(plans)) if typed else "",
            tuple(self._warnings()),
            summary=tuple(self._summary()),
        )

    def _summary(self) -> list[str]:
        lines = [plan.title for plan in list(self.plans.values())[:SAMPLE]]
        more = len(self.plans) - len(lines)
        backup = next((plan.backup for plan in self.plans.values() if plan.backup), None)
        rest = [f"and {more:,} more"] if more else []
        rest += [f"a backup of each in {dirname(backup) or '.'}"] if backup else []
        return [*lines, *([", ".join(rest)] if rest else [])]

    def _warnings(self) -> list[str]:
        found = [f"{len(self.left_out):,} left out: {_listed(self.left_out)}"] if self.left_out else []
        said = [warning for plan in self.plans.values() for warning in plan.warnings]
        for warning in sorted(set(said), key=said.count, reverse=True):
            times = f" ({said.count(warning)} of them)" if len(self.plans) > 1 else ""
            found.append(f"{warning}{times}")
        return found

    # ---- doing it

    async def carry_out(self, api: EngineApi, name: str) -> None:
        """Do one of them, and note what became of it. Raises `ConnectionProblem` when nobody knows."""
        plan: Plan | None = self.plans.pop(name)
        assert plan is not None
        try:
            shared = plan.action in AGAIN and (self.done or self.failed)
            if shared or monotonic() - self._planned[name] > FRESH:
                before, (plan, why) = plan, await _planned(api, self._orders[name])
                if plan is None or _differs(plan, before):
                    self.failed.append((name, why or "it is not any more what was asked about"))
                    return
            outcome = await api.act(plan.id, plan.word)
        except ConnectionProblem as problem:
            self.failed.append((name, f"nobody knows: {problem.title}"))
            raise
        except LazyCeleryError as problem:
            self.failed.append((name, str(problem)))
            return
        (self.failed if outcome.failed or outcome.unknown else self.done).append((name, outcome.proof))
        if (back := undoing(outcome)) is not None:
            self.undoes.insert(0, back)

    @property
    def result(self) -> list[str]:
        """What became of each, in lines: failures first."""
        begun = len(self.done) + len(self.failed)
        total = begun + len(self.plans) + len(self.left_out)
        head = f"{self.doing(q.counted(total, self.kind))}: {len(self.done):,} done"
        head += f", {len(self.failed):,} failed" if self.failed else ""
        head += f", {len(self.plans):,} not begun" if self.plans else ""
        head += f", {len(self.left_out):,} left out" if self.left_out else ""
        failed = [f"{name}: {why}" for name, why in self.failed]
        return [f"{head}.", *failed, *(proof for _, proof in self.done)]

    @property
    def still(self) -> set[str]:
        """What it was not done to."""
        return {name for name, _ in (*self.failed, *self.left_out)} | set(self.plans)


def undoing(outcome: Outcome) -> Order | None:
    """What undoes it: a backup is restored."""
    if outcome.action == "purge" and outcome.backup:
        return Order(action="restore", targets=[outcome.backup])
    return outcome.back


async def _planned(api: EngineApi, order: Order) -> tuple[Plan | None, str]:
    """The plan, or why there is none. Raises `ConnectionProblem`."""
    try:
        plan = await api.plan(order)
    except ConnectionProblem:
        raise
    except LazyCeleryError as problem:
        return None, problem.title
    return (None, plan.refused) if plan.refused else (plan, "")


def _differs(plan: Plan, before: Plan) -> bool:
    """Whether it touches others, or must be asked harder, than what a person said yes to."""
    others = before.action == "consumers" and _work(plan) != _work(before)
    return others or (plan.level == "typed" and before.level != "typed")


def _work(plan: Plan) -> set[str]:
    return {item.target for item in plan.items if item.refused is None}


def _listed(told: Sequence[Told]) -> str:
    """The first of them, each with its reason; one reason for all is said once."""
    reasons = {why.rstrip(".") for _, why in told}
    names = ", ".join(name for name, _ in told[:SAMPLE]) + (", …" if len(told) > SAMPLE else "")
    if len(reasons) == 1 and len(told) > 1:
        return f"{names} ({reasons.pop()})"
    return "; ".join(f"{name}: {why.rstrip('.')}" for name, why in told[:SAMPLE])
