"""Dangerous keys: may it be done, what would it do, does a person want it, what did it do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from lazycelery.engine.api import EngineApi
from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.keys import Action, symbol
from lazycelery.model.action import ActionName, Order, Outcome, Plan
from lazycelery.model.bulk import Progress
from lazycelery.model.cluster import Overview
from lazycelery.tui.errands import Errands
from lazycelery.tui.link import Link
from lazycelery.tui.presentation import sayings
from lazycelery.tui.presentation.footer import Question
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.menu import Choice
from lazycelery.tui.series import Series, undoing
from lazycelery.tui.talk import Talk

CANVAS: tuple[ActionName, ...] = ("retry", "revoke", "terminate")
"""What is done to a whole canvas; each is a permission of its own."""
Finish = Callable[[Outcome], None]
"""Takes up what became of it."""
PACE = 1.0
"""Seconds between two sayings of how far something is."""


class Deeds:
    """Plans, questions and proofs of one session."""

    def __init__(
        self,
        link: Link,
        talk: Talk,
        errands: Errands,
        look: Callable[[], Look],
        paint: Callable[[], None],
        done: Callable[[Outcome], None],
    ) -> None:
        self._link = link
        self._talk = talk
        self._errands = errands
        self._look = look
        self._paint = paint
        self._done = done
        self.undoes: list[Order] = []
        """What undoes the last action of this session, where that can be: an order for each thing."""
        self._planning = 0
        self.planning = False
        """Whether a plan is on its way to its question."""

    def permitted(self, action: Action) -> bool:
        """Whether the action may be done now; says why not."""
        why = self.refusal(action)
        if why:
            self._talk.say(why, "warn")
        return not why

    def may(self, permission: str) -> bool:
        """Whether a permission is open; says why not."""
        overview = self._link.truth.overview
        if overview is not None and permission in overview.allowed:
            return True
        may = overview.may_unlock if overview is not None else []
        self._talk.say(sayings.forbidden(permission, may, self._look()), "warn")
        return False

    def refusal(self, action: Action) -> str:
        """Why the action may not be done now; empty when it may."""
        overview = self._link.truth.overview
        permission = self._needed(action)
        if permission is None:
            return ""
        if overview is None or self._link.api is None:
            return "The engine is not there yet. Nothing was done."
        if overview.reel is not None:
            return sayings.RECORDED
        if overview.read_only:
            return sayings.read_only(overview.may_unlock, self._look())
        if permission not in overview.allowed:
            return sayings.forbidden(permission, overview.may_unlock, self._look())
        return ""

    def _needed(self, action: Action) -> str | None:
        """To undo something takes what it took to do it; a purge is undone by a restore. To a canvas several
        things are done: one of them is enough."""
        if action.id == "canvas" and (overview := self._link.truth.overview) is not None:
            return next((each for each in CANVAS if each in overview.allowed), action.permission)
        return self.undoes[0].action if action.id == "undo" and self.undoes else action.permission

    def offer(self, action: Action) -> Choice:
        """The action as a line of a menu."""
        if not self.refusal(action):
            return Choice(action)
        overview = self._link.truth.overview
        if overview is None or self._link.api is None:
            return Choice(action, "no engine")
        if overview.reel is not None:
            return Choice(action, "not in a recording")
        return Choice(action, sayings.locked(str(action.permission), overview.may_unlock, self._look()))

    def order(self, name: ActionName, targets: list[str], **params: Any) -> None:
        """Plan it, and ask."""
        self.again(Order(action=name, targets=targets, params=params))

    def again(self, order: Order, finish: Finish | None = None) -> None:
        """Plan an order that is there already, and ask. `finish` takes up its outcome, instead of those marks
        that are usual for the action."""
        self._planning += 1
        self.planning = True
        self._talk.say("Looking at what it would do …", "dim")
        self._errands.run(self._plan(order, self._planning, finish or self._done))

    def forget(self) -> None:
        """A key was pressed meanwhile: a plan still on its way asks nothing any more."""
        self._planning += 1
        self.planning = False

    async def _plan(self, order: Order, number: int, finish: Finish) -> None:
        try:
            plan = await self._api().plan(order)
        finally:
            if number == self._planning:
                self.planning = False
        if number != self._planning:
            return
        if plan.refused:
            why = plan.refused.rstrip(".")
            self._talk.say(f"{why[:1].upper()}{why[1:]}. {plan.hint}".strip(), "warn")
        elif plan.level == "none":
            self._carry_out(plan, None, finish)
        else:
            self._talk.ask(Question.of(plan), lambda word: self._carry_out(plan, word, finish))
        self._paint()

    def _carry_out(self, plan: Plan, word: str | None, finish: Finish) -> None:
        self._talk.say(f"{plan.title} …", "dim")
        self._errands.run(self._act(plan, word, finish))

    async def _act(self, plan: Plan, word: str | None, finish: Finish) -> None:
        telling = asyncio.create_task(self._tell_progress(plan.id))
        try:
            outcome = await self._api().act(plan.id, word)
        finally:
            telling.cancel()
        finish(outcome)
        back = undoing(outcome)
        well = not outcome.failed and not outcome.unknown
        if back is not None or (outcome.action == "restore" and well):
            self.undoes = [] if back is None else [back]
        undoes = "undoes what of it was done" if outcome.unknown else "undoes"
        undo = f"; {self._look().key('undo')} {undoes}." if back is not None else ""
        self._talk.say(f"{outcome.proof}{undo}", "ok" if well else "warn")
        self._paint()

    # ---- several, one after another

    def each(self, series: Series, finish: Callable[[set[str]], None]) -> None:
        """Plan all of a series, and ask once. `finish` is called with what it was not done to."""
        self._planning += 1
        self.planning = True
        self._talk.say(f"Looking at each {series.kind} …", "dim")
        self._errands.run(self._plan_each(series, self._planning, finish))

    async def _plan_each(self, series: Series, number: int, finish: Callable[[set[str]], None]) -> None:
        try:
            await series.plan(self._api())
        finally:
            if number == self._planning:
                self.planning = False
        if number != self._planning:
            return
        if series.plans:
            self._talk.ask(series.question, lambda _: self._start(self._act_each(series, finish)))
        else:
            self._talk.say("\n".join(series.result), "warn")
        self._paint()

    def _start(self, errand: Coroutine[Any, Any, None]) -> None:
        self._errands.run(errand)

    async def _act_each(self, series: Series, finish: Callable[[set[str]], None]) -> None:
        total = len(series.plans)
        with suppress(ConnectionProblem):  # The result tells it, and what was not begun.
            for at, name in enumerate(list(series.plans), 1):
                if not self._talk.listens:
                    self._talk.say(f"{series.doing(name)} … {at:,} of {total:,}", "dim")
                    self._paint()
                await series.carry_out(self._api(), name)
        if series.undoes:
            self.undoes = series.undoes
        finish(series.still)
        undo = [f"{self._look().key('undo')} undoes all of them."] if series.undoes else []
        well = not series.failed and not series.plans
        self._talk.say("\n".join([*series.result, *undo]), "ok" if well else "warn")
        self._paint()

    async def _tell_progress(self, plan_id: str) -> None:
        """Say now and then how far it is, where it goes page by page; a key hides it until the next time."""
        while True:
            await asyncio.sleep(PACE)
            running: list[Progress] = []
            with suppress(LazyCeleryError):  # What has become of it, the action itself tells.
                running = [one for one in await self._api().progress() if one.plan == plan_id]
            for one in running:
                if one.done < one.total and not self._talk.listens:
                    self._talk.say(sayings.progress(one, self._look()), "dim")
                    self._paint()

    def unlock(self) -> None:
        """Open what the profile permits, after a question; or lock again."""
        overview = self._link.truth.overview
        if overview is None or self._link.api is None:
            self._talk.say("The engine is not there yet.", "warn")
        elif overview.reel is not None:
            self._talk.say(f"{sayings.RECORDED} There is nothing to unlock.", "warn")
        elif not overview.read_only and not self._more(overview):
            self._errands.run_first(self._lock())
        elif not overview.may_unlock:
            self._talk.say(sayings.read_only([], self._look()), "warn")
        else:
            what = ", ".join(overview.may_unlock)
            place = "PRODUCTION " if overview.production else ""
            question = Question(f"Unlock {place}{overview.profile}: {what}", "For this session?")
            self._talk.ask(question, lambda _: self._errands.run_first(self._unlock(overview.may_unlock)))

    @staticmethod
    def _more(overview: Overview) -> bool:
        return any(permission not in overview.allowed for permission in overview.may_unlock)

    async def _unlock(self, permissions: list[str]) -> None:
        overview = await self._api().unlock(permissions)
        self._link.truth.overview = overview
        look = self._look()
        what = _with_keys(overview.allowed, look)
        self._talk.say(f"Unlocked: {what}. {look.key('unlock')} locks again.", "ok")
        self._paint()

    async def _lock(self) -> None:
        self._link.truth.overview = await self._api().lock()
        self._talk.say("Read-only again.", "ok")
        self._paint()

    def _api(self) -> EngineApi:
        api = self._link.api
        if api is None:
            raise sayings.gone()
        return api


def _with_keys(permissions: Sequence[str], look: Look) -> str:
    """What was unlocked, by its keys: "r retry, P purge"."""
    keys = {action.permission: f"{symbol(action.keys[0])} " for action in reversed(look.keys.actions)}
    return ", ".join(f"{keys.get(name, '')}{name}" for name in permissions)
