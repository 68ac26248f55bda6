"""Which broker is looked at: a choice among profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.model.completion import Completion
from lazycelery.tui.entry import Entry
from lazycelery.tui.matching import distance

Broker = tuple[str, str]
"""A profile's name, and what is known of it."""


def choice(brokers: Sequence[Broker], choose: Callable[[str], None]) -> Entry:
    """The line in which one is chosen, by any part of its name."""

    def wish(entry: Entry) -> None:
        typed = entry.prompt.text
        near = [(distance(typed, name), place) for place, (name, _) in enumerate(brokers)]
        ranked = sorted((far, place) for far, place in near if far is not None)
        found = [brokers[place] for _, place in ranked]
        offers = [Completion(start=0, end=len(typed), text=name, note=note) for name, note in found]
        entry.offer(offers, typed)

    def end(text: str, entered: bool) -> None:
        if entered and text:
            choose(text)

    entry = Entry(" Broker ", "", end, wish=wish, palette=True)
    entry.wish()
    return entry
