"""Panes whose rows are few enough to be all here: workers and queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lazycelery.keys import Scope
from lazycelery.model.queue import Queue
from lazycelery.model.text import clean
from lazycelery.model.worker import Worker
from lazycelery.tui.listing import Listing, Place
from lazycelery.tui.panes.ordering import Ordering
from lazycelery.tui.panes.pane import Bodies
from lazycelery.tui.presentation import findings, queues, workers
from lazycelery.tui.presentation.findings import Finding
from lazycelery.tui.presentation.line import Column, Span
from lazycelery.tui.presentation.look import Look

NARROW = 28
"""Columns of a pane under which the count in its title is without words."""


class Named(Protocol):
    """Something with a name, which is its identity."""

    @property
    def name(self) -> str:
        """Different for each."""


Item = TypeVar("Item", bound=Named)


class LocalRows(Generic[Item]):
    """Items in the order they are shown."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._places: dict[str, int] = {}

    def show(self, items: list[Item]) -> None:
        """Other items, or another order."""
        self.items = items
        self._places = {item.name: at for at, item in enumerate(items)}

    @property
    def total(self) -> int:
        """Items shown."""
        return len(self.items)

    def key_at(self, index: int) -> str | None:
        """The name on a line."""
        return self.items[index].name if 0 <= index < len(self.items) else None

    def index_of(self, key: str) -> int | None:
        """The line of a name."""
        return self._places.get(key)

    def look(self, top: int, page: int, held: tuple[str, int] | None) -> None:
        """All is here already."""


@dataclass(frozen=True)
class Kind(Generic[Item]):
    """What makes a pane one of workers, or of queues."""

    scope: Scope
    number: int
    title: str
    columns: Sequence[Column]
    cells: Callable[[Item, Look], list[Span]]
    matches: Callable[[Item, str], bool]
    faulty: Callable[[Item], bool]
    sorts: dict[str, Callable[[Item], Any]]
    """Name of an order -> its key. The first is the usual one."""
    note: Callable[[Sequence[Item]], str]
    leads: Mapping[str, str]
    """Name of an order -> the title of its column."""


class LocalPane(Generic[Item]):
    """A filtered and sorted list of items."""

    def __init__(self, kind: Kind[Item]) -> None:
        self._kind = kind
        self.scope = kind.scope
        self.number = kind.number
        self.title = kind.title
        self.columns = kind.columns
        self.rows: LocalRows[Item] = LocalRows()
        self.listing = Listing(
            self.rows, follows=kind.scope == "findings"
        )  # The worst leads, until it is read.
        self.bodies = Bodies()
        self.filter = ""
        self.faults = False
        self._all: list[Item] = []
        self._seen: Item | None = None
        self._before: Place | None = None
        """Where the cursor was before anything was filtered."""
        self.ordering = Ordering({name: kind.leads.get(name, "") for name in kind.sorts})

    def take(self, items: list[Item]) -> None:
        """The truth has changed."""
        self._all = items
        self.bodies.forget()
        self._apply()

    def _apply(self) -> None:
        kind = self._kind
        shown = [item for item in self._all if not self.filter or kind.matches(item, self.filter)]
        if self.faults:
            shown = [item for item in shown if kind.faulty(item)]
        shown.sort(key=kind.sorts[self.ordering.name])
        lost = self.listing.key is None
        self.rows.show(shown[::-1] if self.ordering.reversed else shown)
        self.listing.settle()
        if lost and self._before is not None:
            self.listing.return_to(self._before)

    @property
    def item(self) -> Item | None:
        """What the cursor is on; what is pinned as it was last seen, whatever hides it."""
        if not self.listing.lost:
            at = self.listing.cursor
            self._seen = self.rows.items[at] if at < len(self.rows.items) else None
        elif (one := self.named(self.listing.key)) is not None:
            self._seen = one
        return self._seen

    @property
    def over(self) -> bool:
        """Whether what is pinned is gone, not only hidden by a filter."""
        return self.listing.lost and self.named(self.listing.key) is None

    def named(self, name: str | None) -> Item | None:
        """The item of a name, also where a filter hides it."""
        return next((item for item in self._all if item.name == name), None)

    @property
    def crumbs(self) -> list[str]:
        """Filter, faults, unusual order."""
        parts = [clean(self.filter, 60)] if self.filter else []
        parts += ["faults"] if self.faults else []
        return parts + ([] if self.ordering.usual else [self.ordering.text])

    def columns_at(self, width: int) -> Sequence[Column]:
        """The same at every width."""
        return self.columns

    def note(self, width: int, look: Look) -> str:
        """How many, of how many."""
        note = self._kind.note(self.rows.items)
        return note if width >= NARROW else note.removesuffix(" snoozed")

    def row(self, index: int) -> Item:
        """What stands on a line."""
        return self.rows.items[index]

    def cells(self, index: int, look: Look) -> list[Span] | None:
        """The cells of a line."""
        return self._kind.cells(self.rows.items[index], look)

    def set_filter(self, text: str, at: Place | None = None) -> None:
        """Show only names that contain it."""
        self._remember()
        self.filter = text
        self._apply()
        if at is not None:
            self.listing.return_to(at)

    def toggle_faults(self) -> None:
        """Faults only, or all."""
        self._remember()
        self.faults = not self.faults
        self._apply()

    def _remember(self) -> None:
        """A filter without hits leaves no cursor: it comes back to where it was."""
        if not (self.filter or self.faults) and self.listing.place is not None:
            self._before = self.listing.place

    def sort(self) -> None:
        """Take up another order."""
        self._apply()

    def step_back(self) -> bool:
        """Take filter and faults away."""
        had = bool(self.filter or self.faults)
        self.filter, self.faults = "", False
        self._apply()
        return had


def _online(shown: Sequence[Worker]) -> str:
    alive = sum(worker.state in ("online", "busy") for worker in shown)
    return f"{alive}/{len(shown)}"


WORKERS: Kind[Worker] = Kind(
    scope="workers",
    number=1,
    title="Workers",
    columns=workers.COLUMNS,
    cells=workers.cells,
    matches=workers.matches,
    faulty=lambda worker: worker.state in workers.FAULTY,
    sorts={
        "name": lambda worker: worker.name,
        "busy": lambda worker: (-(worker.active or 0), worker.name),
        "load": lambda worker: (-(worker.loadavg or [0.0])[0], worker.name),
        "reserved": lambda worker: (-(worker.reserved or 0), worker.name),
        "done": lambda worker: (-(worker.processed or 0), worker.name),
        "failed": lambda worker: (-(worker.failed or 0), worker.name),
        "state": lambda worker: (worker.state not in workers.FAULTY, worker.state, worker.name),
    },
    note=_online,
    leads={
        **{"name": "WORKER", "busy": "BUSY", "load": "LOAD"},
        **{"reserved": "RESERVED", "done": "DONE", "failed": "FAILED"},
    },
)
QUEUES: Kind[Queue] = Kind(
    scope="queues",
    number=2,
    title="Queues",
    columns=queues.COLUMNS,
    cells=queues.cells,
    matches=queues.matches,
    faulty=queues.faulty,
    sorts={
        "name": lambda queue: queue.name,
        "messages": lambda queue: (-(queue.messages or 0), queue.name),
        "growth": lambda queue: (-(queues.trend(queue) or 0.0), queue.name),
        "unacked": lambda queue: (-(queue.unacked or 0), queue.name),
        "consumers": lambda queue: (-(queue.consumers or 0), queue.name),
        "oldest": lambda queue: (-(queue.oldest_age or 0.0), queue.name),
        "drain": lambda queue: (-(queue.drain_time or 0.0), queue.name),
    },
    note=lambda shown: str(len(shown)),
    leads={
        **{"name": "QUEUE", "messages": "WAITING", "growth": "TREND", "unacked": "UNACKED"},
        **{"consumers": "CONSUMERS", "oldest": "OLDEST", "drain": "DRAIN"},
    },
)
FINDINGS: Kind[Finding] = Kind(
    scope="findings",
    number=4,
    title="Findings",
    columns=findings.COLUMNS,
    cells=findings.cells,
    matches=findings.matches,
    faulty=lambda finding: finding.notice.severity != "info",
    sorts={
        "severity": findings.rank,
        "subject": lambda finding: (finding.notice.subject, finding.name),
        "since": lambda finding: (-(finding.notice.since or 0.0), finding.name),
    },
    note=findings.counted,
    leads={"severity": "FINDING", "subject": "SUBJECT", "since": "SINCE"},
)
