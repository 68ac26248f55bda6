"""What goes page by page, stopped, resumed or dropped by a key; and failed tasks that are ticked off."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from lazycelery.engine.api import EngineApi
from lazycelery.errors import UsageError
from lazycelery.model.action import Order
from lazycelery.model.task import TaskRow
from lazycelery.tui.crew import Crew, Offer
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.footer import Question


class Bulks(Crew):
    """The key for bulk actions."""

    def do_bulk(self) -> None:  # noqa: D102 - the table of actions says what it does
        if self.link.api is None:
            self.talk.say("The engine is not there yet.", "warn")
        else:
            self.errands.run(self._offer(self.link.api))

    async def _offer(self, api: EngineApi) -> None:
        pressed = self.keys_pressed
        running, plans = await api.progress(), await api.bulks()
        if self.keys_pressed != pressed:
            return
        offers: list[Offer] = [
            (f"stop {one.plan[:8]}", f"{one.title}: {one.done:,} of {one.total:,} done") for one in running
        ]
        for one in plans:
            if one.state == "damaged":
                offers.append((f"discard {one.id}", "its file is damaged, and kept aside"))
            if one.state == "cut off":
                offers.append((f"resume {one.id}", f"{one.title}: it was cut off"))
            if one.state == "stopped":
                left = f"{q.counted(one.total, one.noun)}, {one.done:,} done"
                left += f", {one.doubtful:,} in doubt" if one.doubtful else ""
                offers += [
                    (f"resume {one.id}", f"{one.action} of {left}"),
                    (f"discard {one.id}", "drop the rest"),
                ]
        if not offers:
            self.talk.say("Nothing goes page by page now, and no plan is left to resume.", "dim")
        else:
            actions = {one.id: one.action for one in plans}
            whole = {one.plan[:8]: one.plan for one in running}

            def do(text: str) -> None:
                verb, _, name = text.partition(" ")
                if verb == "stop" and name in whole:
                    self.errands.run(self._halt(api, whole[name]))
                elif verb == "resume" and name in actions:
                    self.deeds.again(Order(action=actions[name], params={"resume": name}))
                elif verb == "discard" and name in actions:
                    question = Question(f"Discard plan {name}", "What is left of it is not done any more?")
                    self.talk.ask(question, lambda _: self._run(self._discard(api, name)))
                else:
                    raise UsageError(f"{text!r} is none of these.", "stop, resume or discard, and an id.")

            self._ask(" Bulk: ", offers, do, ["bulk"])
        self.show()

    def do_deal(self) -> None:  # noqa: D102
        ids, api = self._those("tasks"), self.link.api
        if not ids or api is None:
            self.talk.say("Nothing is selected.", "warn")
            return
        item = self.item
        undo = len(ids) == 1 and isinstance(item, TaskRow) and item.id == ids[0] and item.dealt
        self.errands.run_first(self._deal(api, ids, undo))

    async def _deal(self, api: EngineApi, ids: list[str], undo: bool) -> None:
        marked = await api.deal(ids, None, "", undo)
        self.marks.keep("tasks", set(self.marks.of("tasks")) - set(marked))
        state = "not dealt with any more" if undo else "dealt with; dealt:no in a filter leaves it out"
        self.talk.say(f"{q.counted(len(marked), 'task')}: {state}.", "ok")
        self.show()

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        self.errands.run(errand)

    async def _halt(self, api: EngineApi, plan: str) -> None:
        there = await api.halt(plan)
        self.talk.say("Stopping after the page under way …" if there else "It has ended already.", "dim")
        self.show()

    async def _discard(self, api: EngineApi, name: str) -> None:
        gone = await api.discard(name)
        aside = f" Its file is kept as {gone.path}." if gone.state == "damaged" else ""
        self.talk.say(f"Discarded plan {gone.id}. Nothing was sent.{aside}", "ok")
        self.show()
