"""What a question to the history gives: a table for people, or all of it into a pipe or a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lazycelery.cli import exporting
from lazycelery.cli.session import Session
from lazycelery.cli.table import Column
from lazycelery.errors import LazyCeleryError
from lazycelery.model.counting import count as plural


class View(NamedTuple):
    """How one kind of thing is shown."""

    one: str
    shape: exporting.Shape
    columns: list[Column]
    row: Callable[[Any, bool], tuple[object, ...]]


class Reading(Protocol):
    """All that match, page by page."""

    unread: dict[str, None]

    def __aiter__(self) -> AsyncIterator[Any]:
        """One after the other."""

    def failed(self) -> LazyCeleryError:
        """Nothing was found, and it is not known that there is nothing."""


async def deliver(session: Session, reading: Reading, form: str, target: Path | None, view: View) -> int:
    """Print or export them; returns how many they were."""
    output, utc = session.output, session.settings.ui.utc
    if form == "table":
        rows = [view.row(one, utc) async for one in reading]
        if rows:
            output.table(view.columns, rows)
        return len(rows)
    with exporting.sink(form, target, view.shape) as sink:
        async for one in reading:
            sink.add(one)
        if target is not None and not sink.count and reading.unread:
            raise reading.failed()
    if target is not None:
        output.note(f"{plural(sink.count, view.one)} in {target}.")
    return sink.count
