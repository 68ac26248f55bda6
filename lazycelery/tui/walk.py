"""How keys move a person through what there is: panes, lines, pages, sizes, and back."""

from __future__ import annotations

from lazycelery.keys import Scope
from lazycelery.model.queue import Queue
from lazycelery.model.text import quoted
from lazycelery.model.worker import Worker
from lazycelery.tui.presentation.findings import FOLD, LISTS, Finding
from lazycelery.tui.sight import ORDER, Sight, Step, notice_key
from lazycelery.tui.views.view import Tabbed, View

WIDEST = 2

SUBJECTS: dict[Scope, str] = {"workers": "worker", "queues": "queue", "tasks": "task"}
"""What a finding's subject is, by the pane that lists such."""


class Walk(Sight):
    """What the keys that move do."""

    # ---- panes

    def _lead(self, scope: Scope) -> None:
        worst = self.findings.listing
        if scope == "findings":
            worst.hold()
        elif self.lead == "findings" and worst.cursor == 0:
            worst.go(0)
        self.lead, self.scrolls, self.help = scope, False, False
        self.views.close()

    def _go(self, scope: Scope) -> None:
        """Go to a pane by its own key: a step back does not lead to where another one was opened."""
        self._trail = [step for step in self._trail if step.there is None]
        self._lead(scope)

    def do_pane_workers(self) -> None:  # noqa: D102 - the table of actions says what each does
        self._go("workers")

    def do_pane_queues(self) -> None:  # noqa: D102
        self._go("queues")

    def do_pane_tasks(self) -> None:  # noqa: D102
        self._go("tasks")

    def do_pane_findings(self) -> None:  # noqa: D102
        self._go("findings")

    def do_pane_next(self) -> None:  # noqa: D102
        self._step_pane(1)

    def do_pane_previous(self) -> None:  # noqa: D102
        self._step_pane(-1)

    def _step_pane(self, step: int) -> None:
        here = len(ORDER) if self.on_main else ORDER.index(self.lead)
        there = (here + step) % (len(ORDER) + 1)
        if there == len(ORDER):
            self.scrolls = True
        else:
            self._go(ORDER[there])

    # ---- moving

    def _move(self, lines: int) -> None:
        if self.views.open is not None and not self.help:
            self.views.open.move(lines)
        elif self.on_main:
            self.main.scroll(lines)
        else:
            self.pane.listing.move(lines)

    def _page(self, pages: float) -> None:
        if self.views.open is not None and not self.help:
            self.views.open.turn(pages)
        elif self.on_main:
            self.main.scroll(round(pages * self.main.page))
        else:
            self.pane.listing.pages(pages)

    def do_move_down(self) -> None:  # noqa: D102
        self._move(1)

    def do_move_up(self) -> None:  # noqa: D102
        self._move(-1)

    def do_move_half_down(self) -> None:  # noqa: D102
        self._page(0.5)

    def do_move_half_up(self) -> None:  # noqa: D102
        self._page(-0.5)

    def do_move_page_down(self) -> None:  # noqa: D102
        self._page(1)

    def do_move_page_up(self) -> None:  # noqa: D102
        self._page(-1)

    def do_move_top(self) -> None:  # noqa: D102
        self._move(-(1 << 40))

    def do_move_bottom(self) -> None:  # noqa: D102
        self._move(1 << 40)

    def do_main_down(self) -> None:  # noqa: D102
        self._read(1)

    def do_main_up(self) -> None:  # noqa: D102
        self._read(-1)

    def _read(self, lines: int) -> None:
        if self.views.open is not None:
            self._move(lines)
        else:
            self.pane.listing.hold()
            self.main.scroll(lines)

    def do_tab_next(self) -> None:  # noqa: D102
        self._turn_tab(1)

    def do_tab_previous(self) -> None:  # noqa: D102
        self._turn_tab(-1)

    def _turn_tab(self, step: int) -> None:
        if self.help:
            self.talk.say("Help has no tabs.", "dim")
        elif self.views.open is None:
            if isinstance(self.item, Finding) and self.item.found is None:
                self.talk.say("A remark has no tabs.", "dim")
                return
            self.pane.listing.hold()
            self.main.turn(self.lead, step)
        elif isinstance(self.views.open, Tabbed):
            self.views.open.tab(step)
            self.views.again()
        else:
            self.talk.say("This view has no tabs.", "dim")

    # ---- opening, stepping back

    def do_open(self) -> None:  # noqa: D102
        item = self.item
        if self.views.open is not None:
            self.views.open.enter()
            return
        if item is None or self.on_main:
            return
        if isinstance(item, Worker):
            self._drill(quoted("worker", item.name))
        elif isinstance(item, Queue):
            self._drill(quoted("queue", item.name))
        elif isinstance(item, Finding) and item.notice.code == FOLD:
            self.unfolded = not self.unfolded
            self.changed(tasks=False, workers=False, queues=False, status=True)
        elif isinstance(item, Finding) and item.found is not None and item.found.filter:
            self._drill(item.found.filter)
        elif isinstance(item, Finding) and item.notice.kind == "task" and item.notice.subject:
            self._drill(quoted("id", item.notice.subject))
        elif isinstance(item, Finding) and item.notice.code in LISTS:
            self._go_to_list(LISTS[item.notice.code])
        elif isinstance(item, Finding):
            self._go_to_subject()
        else:
            self._open_page()

    def _open_page(self) -> None:
        self._size_before, self.size, self.scrolls = self.size, WIDEST, True

    def _show_page(self) -> None:
        """Open the page of what is selected, where the list has all the room."""
        if not self.paged:
            self._open_page()

    def _show_view(self, view: View) -> None:
        """Open a view; help would hide it."""
        self.help = False
        self.views.show(view)

    def _drill(self, filter: str, view: View | None = None) -> None:
        """The tasks that match, too; a step back leads where it began."""
        self._trail.append(Step(self.lead, view))
        self._lead("tasks")
        self.tasks.push(filter)

    def _go_to_subject(self) -> None:
        known = self.known
        found = known.worker or known.queue
        if found is None:
            self.talk.say("It is about no single worker or queue.", "dim")
            return
        began = self.lead
        self.visit("workers" if isinstance(found, Worker) else "queues", found.name)
        self._went_from(began)

    def _go_to_list(self, scope: Scope) -> None:
        began = self.lead
        self._go(scope)
        self._went_from(began)

    def _went_from(self, began: Scope) -> None:
        self._trail.append(Step(began, there=(self.lead, self.pane.filter, self.pane.faults)))

    def lead_to_subject(self, scope: Scope) -> bool:
        """Go to the one thing that the finding under the cursor is about, where it is of that pane; false
        where it is none."""
        item = self.item
        if (
            not isinstance(item, Finding)
            or item.notice.kind != SUBJECTS.get(scope)
            or not item.notice.subject
        ):
            return False
        self.do_open()
        return self.lead == scope

    def do_back(self) -> None:  # noqa: D102
        if self.help and self.main.needle:
            self.main.needle = ""
        elif self.help:
            self.help = False
        elif self._unmark_view() or self.views.back():
            pass
        elif self.scrolls and self.main.needle:
            self.main.needle = ""
        elif self.scrolls:
            self.scrolls, self.size = False, self._size_before
            self._size_before = 0
        elif self.marks.clear(self.lead) or self._step_out() or self.pane.step_back():
            pass
        elif self.size:
            self.size = 0
        elif self.link.truth.overview is not None:
            self.dismissed = notice_key(self)

    def _unmark_view(self) -> bool:
        return self.views.open is not None and bool(self.marked) and self.marks.clear(self.scope)

    def _step_out(self) -> bool:
        """Go back where the last step began, once nothing typed since is left to take away."""
        tasks = self.tasks
        while self._trail and self._trail[-1].there is None and not tasks.pushed:
            self._trail.pop()  # Its filter is gone: a saved view came in its place.
        if not self._trail:
            return False
        last = self._trail[-1]
        if last.there is None:
            if self.lead != "tasks" or tasks.filter or tasks.faults:
                return False
            tasks.step_back()
        elif last.there != (self.lead, self.pane.filter, self.pane.faults):
            return False
        self._trail.pop()
        self._lead(last.lead)
        if last.view is not None:
            self.views.show(last.view)
        return True

    def visit(self, scope: Scope, name: str) -> None:
        """Put the cursor on a thing, whatever filter hides it."""
        self._go(scope)
        rows = self.pane.listing.rows
        while rows.index_of(name) is None and self.pane.step_back():
            pass
        self.pane.listing.go(rows.index_of(name) or 0)

    # ---- sizes

    def do_size_grow(self) -> None:  # noqa: D102
        self.size = min(WIDEST, self.size + 1)

    def do_size_shrink(self) -> None:  # noqa: D102
        self.size = max(0, self.size - 1)

    def do_size_alone(self) -> None:  # noqa: D102
        self.size = 0 if self.size == WIDEST else WIDEST
