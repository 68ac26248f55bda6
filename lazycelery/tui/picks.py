"""What keys do to what is picked, by the cursor or by marks: mark, copy, and the menu of what is possible."""

from __future__ import annotations

from lazycelery.keys import Action, Scope
from lazycelery.model.task import TaskQuery
from lazycelery.tui.mainside import as_json
from lazycelery.tui.marks import MOST
from lazycelery.tui.menu import Menu
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.sieve import Sieve
from lazycelery.tui.unseen import InSight, unseen

TO_ONE = ("copy.id", "copy.json", "mark")
"""Actions that exist everywhere and are about what is selected."""
KINDS: dict[Scope, str] = {"workers": "worker", "queues": "queue", "tasks": "task", "findings": "finding"}


class Picks(Sieve):
    """The keys about what is picked."""

    def perform(self, action: Action) -> None:
        """Do what an action says, when it may be done."""
        if self.views.open is not None and (action.scope in KINDS or action.id in TO_ONE):
            # What is selected is hidden behind the view.
            self.talk.say(f"Nothing is selected here. {self.look().key('back')} leaves this view.", "dim")
        elif self.help and not self.listed and (action.scope == self.scope or action.id in TO_ONE):
            said = f"What is selected is behind this help. {self.look().key('back')} leaves it."
            self.talk.say(said, "dim")
        elif why := self._out_of_sight(action):
            self.talk.say(why, "dim")
        elif self.deeds.permitted(action):
            getattr(self, "do_" + action.id.replace(".", "_"))()

    def _out_of_sight(self, action: Action) -> str:
        if self.start is not None or (self.errors is not None and action.id == "sort"):
            return ""
        seen = InSight(self.listed, self.paged, self.views.open is not None, self.help)
        return unseen(action.id, seen, self.look())

    def do_copy_id(self) -> None:  # noqa: D102
        if (key := self.pane.listing.key) is not None:
            self.surface.copy(key)
            self.talk.say(f"Copied {key}", "dim")

    def do_copy_json(self) -> None:  # noqa: D102
        if (item := self.item) is not None:
            text = as_json(item, self.inquiry.answer)
            self.surface.copy(text)
            self.talk.say(f"Copied {len(text):,} characters of JSON", "dim")

    def do_mark(self) -> None:  # noqa: D102
        listing = self.pane.listing
        if listing.key is None:
            self.talk.say("Nothing is selected.", "dim")
            return
        self.marks.turn(self.lead, listing.key)
        if self.listed:
            listing.move(1)
        else:  # What is seen stays; its mark is in the list.
            is_marked = listing.key in self.marks.of(self.lead)
            self.talk.say("Marked." if is_marked else "Not marked any more.", "dim")

    def do_mark_all(self) -> None:  # noqa: D102
        if self.lead == "tasks":
            self.errands.run_first(self._mark_tasks())
        else:
            rows = self.pane.listing.rows
            keys = (rows.key_at(line) for line in range(rows.total))
            self.marks.add(self.lead, (key for key in keys if key is not None))

    async def _mark_tasks(self) -> None:
        asked = self.tasks.window.query
        query = TaskQuery(filter=asked.filter, sort=asked.sort, reverse=asked.reverse, limit=MOST)
        page = await self._ask_tasks(query)
        self.marks.add("tasks", [row.id for row in page.rows])
        if page.matched > len(page.rows):
            told = f"Marked the first {len(page.rows):,} of {page.matched:,}; one plan takes no more."
            self.talk.say(told, "warn")
        self.show()

    def do_menu(self) -> None:  # noqa: D102
        if self.scope in ("clusters", "beat"):
            self.do_open()
            return
        if self.errors is not None:
            self._group_menu(self.perform)
            return
        key = self.pane.listing.key if self.views.open is None else None
        if key is None:
            self.talk.say("Nothing is selected.", "warn")
        else:
            choices = [self.deeds.offer(action) for action in self.keys.menu(self.lead)]
            marked = len(self.marked)
            kind = KINDS[self.lead]
            title = q.counted(marked, f"marked {kind}") if marked else f"{kind} {key}"
            self.talk.menu = Menu(title, choices, self.keys, lambda action: self._chosen(action, key))

    def _chosen(self, action: Action, key: str) -> None:
        """Do it to what the menu was about, or not at all."""
        if not self.marked and (self.pane.over or self.pane.listing.key != key):
            self.talk.say(f"{key} is not in the list any more. Nothing was done.", "warn")
        else:
            self.perform(action)
