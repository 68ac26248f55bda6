"""What keys do to what is picked, by the cursor or by marks: mark, copy, and the menu of what is possible."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from lazycelery.errors import NothingFound
from lazycelery.keys import Action, Scope
from lazycelery.model.task import Task, TaskQuery
from lazycelery.tui.mainside import as_json
from lazycelery.tui.marks import MOST
from lazycelery.tui.menu import Menu
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.sayings import gone
from lazycelery.tui.sieve import Sieve
from lazycelery.tui.unseen import InSight, unseen
from lazycelery.tui.views.view import Listed, Marking, Picked

TO_ONE = ("copy.id", "copy.json", "mark")
"""Actions that exist everywhere and are about what is selected."""
MOST_COPIED = 200
"""Marked tasks whose whole is copied."""
KINDS: dict[Scope, str] = {"workers": "worker", "queues": "queue", "tasks": "task", "findings": "finding"}


class Picks(Sieve):
    """The keys about what is picked."""

    def perform(self, action: Action) -> None:
        """Do what an action says, when it may be done."""
        if self.help and not self.listed and (action.scope == self.scope or action.id in TO_ONE):
            said = f"What is selected is behind this help. {self.look().key('back')} leaves it."
            self.talk.say(said, "dim")
        elif self.views.open is not None and self._behind(action):
            # What is selected is hidden behind the view.
            self.talk.say(f"Nothing is selected here. {self.look().key('back')} leaves this view.", "dim")
        elif why := self._out_of_sight(action):
            self.talk.say(why, "dim")
        elif self.deeds.permitted(action):
            getattr(self, "do_" + action.id.replace(".", "_"))()

    def _behind(self, action: Action) -> bool:
        """Whether an action is about what the open view hides."""
        return action.scope in KINDS or (action.id in TO_ONE and not isinstance(self.views.open, Listed))

    def _out_of_sight(self, action: Action) -> str:
        view = self.views.open
        of_groups = self.errors is not None and action.id == "sort"
        if self.start is not None or of_groups or (action.id == "mark.all" and isinstance(view, Listed)):
            return ""
        seen = InSight(self.listed, self.paged, view is not None, self.help)
        return unseen(action.id, seen, self.look())

    @property
    def picked(self) -> Picked | None:
        """What the cursor is on, in the list in front."""
        view = self.views.open
        if view is not None:
            return view.picked if isinstance(view, Listed) else None
        key = self.pane.listing.key
        return None if key is None else Picked(KINDS[self.lead], key, self.item)

    # ---- copying

    def do_copy_id(self) -> None:  # noqa: D102 - the table of actions says what each does
        marked, picked = self.marked, self.picked
        if picked is None:
            self.talk.say("Nothing is selected.", "dim")
            return
        self.surface.copy("\n".join(marked) if marked else picked.name)
        what = q.counted(len(marked), "marked name") if marked else picked.name.replace("\n", ", ")
        self.talk.say(f"Copied {what}", "dim")

    def do_copy_json(self) -> None:  # noqa: D102
        picked = self.picked
        if self.marked:
            self.errands.run_first(self._copy_marked(self.marked))
        elif picked is None or picked.item is None:
            self.talk.say("Nothing is selected.", "dim")
        else:
            self._copy_json(as_json(picked.item, self.inquiry.answer if self.views.open is None else None))

    async def _copy_marked(self, names: list[str]) -> None:
        view = self.views.open
        if isinstance(view, Marking):
            found = [view.items[name] for name in names if name in view.items]
        elif self.lead == "tasks":
            found = []
            for name in names[:MOST_COPIED]:
                with suppress(NothingFound):  # The engine has forgotten it since it was marked.
                    found.append(await self._task(name))
        else:
            found = [item for name in names if (item := self.panes[self.lead].named(name)) is not None]
        self._copy_json(as_json(found, None), f"{len(found):,} of {len(names):,} marked, ")
        self.show()

    async def _task(self, id: str) -> Task:
        if self.link.api is None:
            raise gone()
        return await self.link.api.task(id, fetch=False)

    def _copy_json(self, text: str, of: str = "") -> None:
        self.surface.copy(text)
        self.talk.say(f"Copied {of}{len(text):,} characters of JSON", "dim")

    # ---- marks

    def do_mark(self) -> None:  # noqa: D102
        view, picked = self.views.open, self.picked
        if picked is None:
            self.talk.say("Nothing is selected.", "dim")
        elif view is not None and not isinstance(view, Marking):
            self.talk.say(f"Nothing is done to several {picked.kind}s here, so none is marked.", "dim")
        elif not self.marks.turn(self.scope, picked.name):
            self.talk.say(f"{MOST:,} are marked; one plan takes no more.", "warn")
        elif isinstance(view, Marking) and not view.inside:
            view.move(1)
        elif view is None and self.listed:
            self.pane.listing.move(1)
        else:  # What is seen stays; its mark is in the list.
            is_marked = picked.name in self.marks.of(self.scope)
            said = "Marked" if is_marked else "Not marked any more:"
            self.talk.say(f"{said} {picked.name}", "dim")

    def do_mark_all(self) -> None:  # noqa: D102
        view = self.views.open
        if isinstance(view, Marking):
            self._mark_those(self.scope, view.items)
        elif view is not None:
            self.do_mark()
        elif self.lead == "tasks":
            self.errands.run_first(self._mark_tasks())
        else:
            rows = self.pane.listing.rows
            keys = (rows.key_at(line) for line in range(rows.total))
            self._mark_those(self.lead, (key for key in keys if key is not None))

    def _mark_those(self, scope: Scope, keys: Iterable[str]) -> None:
        if left := self.marks.add(scope, keys):
            self.talk.say(f"{MOST:,} are marked, {left:,} are not: one plan takes no more.", "warn")

    async def _mark_tasks(self) -> None:
        asked = self.tasks.window.query
        query = TaskQuery(filter=asked.filter, sort=asked.sort, reverse=asked.reverse, limit=MOST)
        page = await self._ask_tasks(query)
        self.marks.add("tasks", [row.id for row in page.rows])
        if page.matched > len(page.rows):
            told = f"Marked the first {len(page.rows):,} of {page.matched:,}; one plan takes no more."
            self.talk.say(told, "warn")
        self.show()

    # ---- the menu

    def do_menu(self) -> None:  # noqa: D102
        if self.errors is not None:
            self._group_menu(self.perform)
            return
        view, picked = self.views.open, self.picked
        if picked is None:
            self.talk.say("Nothing is selected.", "warn")
            return
        actions = self.keys.menu(self.scope)
        if view is not None:  # The pane behind a view has a scope of its own.
            actions = [one for one in actions if one.scope not in KINDS]
        choices = [self.deeds.offer(action) for action in actions]
        marked = len(self.marked)
        title = f"{picked.kind} {picked.name}"
        title = q.counted(marked, f"marked {picked.kind}") if marked else title.replace("\n", ", ")
        self.talk.menu = Menu(title, choices, self.keys, lambda action: self._chosen(action, picked.name))

    def _chosen(self, action: Action, name: str) -> None:
        """Do it to what the menu was about, or not at all."""
        now = self.picked
        over = self.views.open is None and self.pane.over
        if not self.marked and (over or now is None or now.name != name):
            self.talk.say(f"{name} is not in the list any more. Nothing was done.", "warn")
        else:
            self.perform(action)
