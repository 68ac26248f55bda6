"""The cursor stays on its row while rows come and go."""

from __future__ import annotations

import random

from lazycelery.tui.listing import Listing


class Names:
    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.looks: list[tuple[int, int, tuple[str, int] | None]] = []

    @property
    def total(self) -> int:
        return len(self.names)

    def key_at(self, index: int) -> str | None:
        return self.names[index] if 0 <= index < len(self.names) else None

    def index_of(self, key: str) -> int | None:
        return self.names.index(key) if key in self.names else None

    def look(self, top: int, page: int, held: tuple[str, int] | None) -> None:
        self.looks.append((top, page, held))


def listing(count: int = 100, page: int = 10, follows: bool = False) -> Listing:
    made = Listing(Names([f"n{number}" for number in range(count)]), follows)
    made.resize(page)
    made.settle()
    return made


def test_a_held_row_keeps_its_place_on_the_screen_when_rows_arrive_above() -> None:
    one = listing()
    one.go(30)
    line = one.cursor - one.top
    one.rows.names[:0] = ["new1", "new2", "new3"]  # type: ignore[attr-defined]
    one.settle()
    assert (one.key, one.cursor, one.cursor - one.top) == ("n30", 33, line)


def test_on_the_first_line_the_newest_leads() -> None:
    one = listing(follows=True)
    one.rows.names.insert(0, "new")  # type: ignore[attr-defined]
    one.settle()
    assert (one.key, one.cursor, one.held) == ("new", 0, None)


def test_a_list_that_does_not_follow_holds_its_first_row_too() -> None:
    one = listing()
    one.rows.names.insert(0, "new")  # type: ignore[attr-defined]
    one.settle()
    assert (one.key, one.cursor) == ("n0", 1)


def test_when_its_row_goes_the_cursor_stays_on_the_line() -> None:
    one = listing()
    one.go(5)
    one.rows.names.remove("n5")  # type: ignore[attr-defined]
    one.settle()
    assert (one.key, one.cursor) == ("n6", 5)


def test_an_empty_list_has_no_cursor() -> None:
    one = listing()
    one.go(50)
    one.rows.names.clear()  # type: ignore[attr-defined]
    one.settle()
    one.move(3)
    one.pages(1)
    assert (one.key, one.cursor, one.top) == (None, 0, 0)


def test_whatever_happens_the_cursor_is_in_view() -> None:
    chance = random.Random(7)
    one = listing()
    names: list[str] = one.rows.names  # type: ignore[attr-defined]
    for step in range(2000):
        what = chance.randrange(6)
        if what == 0:
            names.insert(chance.randrange(len(names) + 1), f"s{step}")
        elif what == 1 and names:
            names.pop(chance.randrange(len(names)))
        elif what == 2:
            one.resize(chance.randrange(1, 30))
        elif what == 3:
            one.scroll(chance.randrange(-20, 20))
        else:
            one.move(chance.randrange(-50, 50))
        one.settle()
        assert 0 <= one.top <= one.cursor < max(1, one.top + one.page)
        assert one.key == one.rows.key_at(one.cursor)
