"""What keys do to what a list or a page shows: filter, search, order."""

from __future__ import annotations

from lazycelery.keys import Scope, symbol
from lazycelery.tui.entry import Entry
from lazycelery.tui.projection import Projection


class Sieve(Projection):
    """The keys that filter, search and sort."""

    def do_filter(self) -> None:  # noqa: D102 - the table of actions says what each does
        if self.help:
            self.talk.typing = self._search_line()
            return
        if self.views.open is not None:
            self.talk.typing = self.views.typing()
            if self.talk.typing is None:
                self.talk.say("There is nothing to filter here.", "dim")
            return
        if self.scrolls:
            self.talk.typing = self._search_line()
            return
        self._lead(self.lead)
        self.filters.open(self.pane)

    def _search_line(self) -> Entry:
        main, before = self.main, (self.main.needle, self.main.top)

        def change(text: str) -> None:
            main.top = before[1]
            entry.note = said if (said := main.search(text)).endswith("here.") else ""

        def end(text: str, entered: bool) -> None:
            if entered and text:
                self.talk.say(main.hit(0), "dim")
            elif not entered:
                main.needle, main.top = before

        entry = Entry(" Search/", "", end, change=change)
        return entry

    def do_hit_next(self) -> None:  # noqa: D102
        self._go_to_hit(1)

    def do_hit_previous(self) -> None:  # noqa: D102
        self._go_to_hit(-1)

    def _go_to_hit(self, step: int) -> None:
        """On the main side what is searched for; in a list each line that its filter leaves is a hit."""
        view = None if self.help else self.views.open
        if view is not None:
            if view.filter:
                view.move(step)
            else:
                self.talk.say(self._nothing_searched, "dim")
        elif self.help or self.scrolls or self.main.needle:
            self.talk.say(self.main.hit(step), "dim")
        elif self.pane.crumbs and (total := self.pane.listing.rows.total):
            self.pane.listing.go((self.pane.listing.cursor + step) % total)
            more = "+" if self.pane is self.tasks and self.tasks.window.growing else ""
            self.talk.say(f"Hit {self.pane.listing.cursor + 1:,} of {total:,}{more}", "dim")
        else:
            self.talk.say(self._nothing_searched, "dim")

    @property
    def _nothing_searched(self) -> str:
        look = self.look()
        return f"Nothing is searched for. {look.key('filter')} filters a list, and searches an opened page."

    def do_faults(self) -> None:  # noqa: D102
        self.pane.toggle_faults()

    def sort_as(self, name: str) -> None:
        """Sort the leading list by an order of this name; again from the other end."""
        self.pane.ordering.choose(name)
        self._sorted()

    def do_sort(self) -> None:  # noqa: D102
        if self.errors is not None:
            if self._grouped(self.errors):
                self.talk.say(f"Errors: {self.errors.sort()}", "dim")
                self.views.again()
            return
        self.pane.ordering.next()
        self._sorted()

    def do_sort_reverse(self) -> None:  # noqa: D102
        self.pane.ordering.choose(self.pane.ordering.name)
        self._sorted()

    def sort_by(self, scope: Scope, title: str) -> None:
        """The name of a column was clicked: sort by it; again from the other end."""
        self._go(scope)
        ordering = self.pane.ordering
        name = ordering.led_by(title)
        if name is None:
            self.talk.say(f"{title or 'That column'} cannot lead; {ordering.titles} can.", "dim")
        else:
            ordering.choose(name)
            self._sorted()
        self.show()

    def _sorted(self) -> None:
        self.pane.sort()
        key = symbol(self.keys["sort.reverse"].keys[0])
        self.talk.say(f"Sorted {self.pane.ordering.text}. {key} turns it round.", "dim")
