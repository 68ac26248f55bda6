"""What keys do to errors: show them in groups, run a group again, revoke it, set a deploy mark."""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.engine.api import EngineApi
from lazycelery.errors import UsageError
from lazycelery.keys import Action
from lazycelery.model.action import ActionName, Order
from lazycelery.tui.entry import Entry
from lazycelery.tui.medic import Medic
from lazycelery.tui.menu import Menu
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.views.errors import ErrorsView

AGAIN = "state:retry,scheduled,received,waiting"
"""Where the next try after a failure waits."""


class Analyst(Medic):
    """The keys of the list of errors."""

    def show_errors(self, filter: str = "") -> None:
        """Open the list of errors, of tasks that match."""
        self._show_view(ErrorsView(self._to_members, filter, lambda: self.marks.of("errors")))

    def do_view_errors(self) -> None:  # noqa: D102 - the table of actions says what each does
        self.show_errors()

    def _to_members(self, filter: str) -> None:
        """The tasks of a group; a step back comes here again."""
        self._drill(filter, self.views.open)

    @property
    def errors(self) -> ErrorsView | None:
        """The list of errors, while it is open."""
        return self.views.open if isinstance(self.views.open, ErrorsView) else None

    def do_group_retry(self) -> None:  # noqa: D102
        self._act_on_group("retry", "state:failure")

    def do_group_revoke(self) -> None:  # noqa: D102
        self._act_on_group("revoke", AGAIN)

    def _act_on_group(self, name: ActionName, state: str) -> None:
        view, marked = self.errors, self.marked
        chosen = view.chosen if view is not None else None
        if view is not None and view.grouped and marked:
            wanted = {one: Order(action=name, filter=f"{view.members(one)} {state}") for one in marked}
            self._each(f"{name} {{}}", "group", wanted, "errors")
        elif chosen is None:
            self.talk.say("Nothing is selected, or the name of its tasks was not seen.", "warn")
        else:
            self.deeds.again(Order(action=name, filter=f"{chosen} {state}"))

    def do_group_deal(self) -> None:  # noqa: D102
        view, api = self.errors, self.link.api
        if view is None or api is None or not self._grouped(view):
            return
        wanted = [
            one for one in view.groups if one.id in (self.marked or [view.group.id if view.group else ""])
        ]
        if wanted:
            undo = len(wanted) == 1 and 0 < wanted[0].count <= wanted[0].dealt
            self.errands.run_first(self._deal_groups(api, [view.members(one.id) for one in wanted], undo))
        else:
            self.talk.say("Nothing is selected.", "warn")

    async def _deal_groups(self, api: EngineApi, filters: list[str], undo: bool) -> None:
        number = 0
        for each in filters:
            number += len(
                await api.deal([], f"{each} {'dealt:yes' if undo else 'state:failure,retry'}", "", undo)
            )
        self.marks.keep("errors", set())
        state = "not dealt with any more" if undo else "dealt with; dealt:no in the filter leaves them out"
        self.talk.say(f"{q.counted(number, 'failure')}: {state}.", "ok")
        self.views.again()
        self.show()

    def do_group_new(self) -> None:  # noqa: D102
        if self.errors is not None and self._grouped(self.errors):
            self.errors.new = not self.errors.new
            self.views.again()

    def _grouped(self, errors: ErrorsView) -> bool:
        """Whether the groups are in sight; says so where they are not."""
        if not errors.grouped:
            self.talk.say(f"That is done to the groups; {self.look().key('tab.next')} leads to them.", "dim")
        return errors.grouped

    def do_deploy(self) -> None:  # noqa: D102
        def end(text: str, entered: bool) -> None:
            if entered and text.strip():
                self.deploy(text.strip())
            else:
                self.talk.say("No mark was set.", "dim")

        self.talk.typing = Entry(" Mark this moment as (release 1.4): ", "", end)

    def deploy(self, name: str) -> None:
        """Set a deploy mark. Raises `UsageError` without a name."""
        if not name:
            raise UsageError("What is deployed?", ":deploy NAME")
        self.errands.run(self._deploy(name))

    async def _deploy(self, name: str) -> None:
        if self.link.api is None:
            return
        mark = await self.link.api.mark(name)
        at = q.clock(mark.at, self.utc)
        kept = "" if mark.kept else " for this session: no history is kept"
        self.talk.say(f"Marked {mark.name} at {at}{kept}. What fails first from now on is new.", "ok")
        if self.errors is not None:
            self.views.again()
        self.show()

    def _group_menu(self, perform: Callable[[Action], None]) -> None:
        """What is possible with the group under the cursor."""
        chosen = self.errors.chosen if self.errors is not None else None
        offered = [action for action in self.keys.menu("errors") if action.scope == "errors"]
        choices = [self.deeds.offer(action) for action in [self.keys["open"], *offered]]

        def run(action: Action) -> None:
            if self.errors is None or self.errors.chosen != chosen:
                self.talk.say("The group is not under the cursor any more. Nothing was done.", "warn")
            else:
                perform(action)

        if chosen is None or self.errors is None:
            self.talk.say("Nothing is selected.", "warn")
        else:
            marked = len(self.marked)
            title = q.counted(marked, "marked group") if marked else self.errors.told() or chosen
            self.talk.menu = Menu(title, choices, self.keys, run)
