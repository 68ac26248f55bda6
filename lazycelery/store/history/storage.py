"""What keeps a history: files of one machine, or a database of a team. Nothing above knows which."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lazycelery.model.recorded import Recorded
from lazycelery.model.redaction import Redactor
from lazycelery.model.task import Dealt
from lazycelery.store.columns import Columns
from lazycelery.store.filter.entries import EntryFilter
from lazycelery.store.history.later import Later
from lazycelery.store.history.taking import NEWEST, Copied, Slots
from lazycelery.store.told import Told


class Unreadable(Exception):
    """A part that cannot be read, and why."""


class Newer(Exception):
    """It was written by a later version of the program; the text says where."""


class Sample(NamedTuple):
    """Queues and workers at one moment, as JSON; `None` where none is known."""

    at: float
    queues: str | None
    workers: str | None


class FindingBegan(NamedTuple):
    """Something is wrong from now on. Texts are without secrets."""

    code: str
    subject: str
    severity: str
    title: str
    hint: str
    began: float


class FindingEnded(NamedTuple):
    """It is not any more."""

    ended: float
    code: str
    subject: str


class Hour(NamedTuple):
    """What an hour counts of one task name, worker or queue, over what was written of it before."""

    began: int
    kind: str
    key: str
    counts: bytes
    runtime: bytes
    wait: bytes


Note = Sample | FindingBegan | FindingEnded | Hour


class Dropped(NamedTuple):
    """What had to go before it could be written, in this run."""

    events: int = 0
    notes: int = 0
    tasks: int = 0


NOTHING = Dropped()


Condition = tuple[str, list[Any]]
"""In SQL that SQLite and PostgreSQL have in common, with `?` for values, and these."""


class Part(Protocol):
    """A day of the history, or less, open for reading. Used by one thread at a time. What cannot be read
    raises `Unreadable`."""

    @property
    def name(self) -> str:
        """Names sort by age."""

    @property
    def words(self) -> dict[int, str]:
        """Names of tasks, workers and queues, by their number in the rows."""

    @property
    def last(self) -> int:
        """The highest number of a row, 0 for none."""

    @property
    def aside(self) -> bool:
        """Whether it was put aside as damaged: nobody writes to it any more."""

    @property
    def damage(self) -> str:
        """What could not be read so far, as the end of "Not read: "; "" where all was."""

    def skipped(self, above: int = 0) -> int:
        """Numbers of rows, from this one on, that could not be read."""

    def while_wanted(self, go_on: Callable[[], bool]) -> None:
        """Break off a question that takes long, with `Unreadable`, once `go_on` says no; where the medium
        can."""

    def count(self, most: int) -> tuple[int, bool]:
        """Tasks in it, never too few, and whether that is all: where only looking at each would tell, no
        more than `most` are counted."""

    def since(self) -> float | None:
        """How far it reaches, epoch seconds: the first sight of its oldest task, where that was in it."""

    def begin(self) -> float:
        """When it was begun, epoch seconds; 0 where that is not known. What was there before and lasted may
        have been in an older part, too, which may have been removed since."""

    def last_seen(self, until: float) -> float | None:
        """When something was last written down, epoch seconds; what is noted of later than `until` (now)
        was told by a clock that was ahead."""

    def began(self) -> float | None:
        """When the run that wrote to it last began to, epoch seconds; `None` where that is not known."""

    def interrupted(self) -> bool:
        """Whether the run that wrote last did not end in good order; one that writes still is none."""

    def newest(self, before: int, limit: int, where: str = "", values: Sequence[Any] = ()) -> list[Any]:
        """Rows of `tasks`, as `schema.COLUMNS`, below a number, highest first. `where` is a
        `Condition`, with its values."""

    def texts(self, fields: Sequence[str], like: str | None, found: Callable[..., bool]) -> Condition | None:
        """A condition that is met where `found` says so of these columns (as the part keeps them), and may be
        met where one of them is `like` a pattern of LIKE, which all do of which `found` says so; `None` where
        nothing can be told in SQL."""

    def number_of(self, id: str) -> int | None:
        """The row of a task."""

    def went_on(self, rows: Mapping[str, int], later: Later, go_on: Callable[[], bool]) -> set[str]:
        """Those of these tasks, with the number of a row of each, of which this part had a newer row when the
        question began, or a newer part had one."""

    def children(self, parents: Sequence[str], after: int, limit: int) -> list[tuple[int, str, str]]:
        """Number, parent and id of the tasks that these ones sent; with none of them, of all that somebody
        sent. Those behind a number and in order, `limit` at most."""

    def hours(self, since: float, until: float, kind: str = "") -> list[Hour]:
        """Statistics of the hours that began between; of one kind, or of all."""

    def recorded(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        """Events, findings or samples that are asked for, newest first, some at a time; `go_on` is asked in
        between. What is damaged is told at the end, when the rest is known."""


class Recording(Protocol):
    """The writing side. Used by one thread; what the medium refuses is raised, and nothing of that batch
    is written then."""

    @property
    def wants_events(self) -> bool:
        """Whether it needs the events themselves, beside what they told in numbers: a database names tasks
        by their ids and senders by their names, as many recorders write it; the files of one know slots."""

    def packed(self, told: Told) -> Told:
        """A batch that will wait for longer, in less room. Called by the engine's loop."""

    def copied(self, slots: Slots) -> Copied:
        """Tasks that are about to leave the store, and are still to be written. Called by the engine's
        loop."""

    def ready(self) -> str:
        """Make ready for a batch, in the place that is due by now. Returns who writes instead, and ""
        when it may be written."""

    def write(
        self,
        slots: Slots,
        told: Sequence[Told],
        notes: Sequence[Note],
        lean: bool = False,
        dropped: Dropped = NOTHING,
        left: Sequence[Copied] = (),
        newest: int = NEWEST,
    ) -> bool:
        """Write tasks as they are now, events, and whatever else, all or nothing. `lean`: tasks that did
        not fail may be written without their long texts; returns whether they were. `dropped`: what was
        lost in all. `left`: tasks that have left the store, as they were then. `newest`: the highest
        identity of a task that may be in these slots; who came later may have left before, which is still to
        be written."""

    def abort(self) -> None:
        """From another thread: let what waits for the medium fail, where it can."""

    def passed_over(self, notes: Sequence[Note]) -> None:
        """Somebody else writes, and these will not be written: what stands is known all the same."""

    def known(self, part: str, slots: Any, numbers: Any, rows: Any) -> None:
        """These rows of a part are the slots' tasks, read at the start: they are gone on with."""

    @property
    def fresh(self) -> bool:
        """Whether another part was begun, so that upkeep is due at once."""

    def now(self) -> float:
        """The time by the clock that tells how old its parts are, epoch seconds. Asked when it is `ready`."""

    def upkeep(self, by_age: bool) -> bool:
        """What is due from time to time: remove what is too old (if ages are believed) or too much.
        Returns whether it was done; `False` while it is still at it."""

    @property
    def put_off(self) -> str:
        """What upkeep could not do, and why, as the end of "The history cannot"; "" where it did all."""

    def refused(self, problem: Exception) -> str | None:
        """After a batch was refused: let go of what is broken. Returns why, in words; `None` where
        nobody foresaw it."""

    def close(self, now: float) -> None:
        """End in good order."""


class MarkLines(Protocol):
    """Deploy marks, which any session sets and all see, a line of JSON each. Used from any thread."""

    def lines(self) -> list[bytes]:
        """The last ones, oldest first; those known so far where they cannot be read."""

    def append(self, at: float, by: str, line: str) -> None:
        """Keep another one; what workers did is kept once, whoever saw it. Raises `OSError`."""


class Word(NamedTuple):
    """The last word on a task: somebody has dealt with it, or (`undone`) took that back."""

    dealt: Dealt
    undone: bool = False


class DealtWords(Protocol):
    """Which failed tasks somebody of a team has dealt with. Used from any thread."""

    def read(self) -> dict[str, Word]:
        """By task id, the oldest first; those known so far where they cannot be read."""

    def put(self, ids: Sequence[str], said_so: Dealt, undone: bool) -> None:
        """For all of the team. Raises `OSError`; `PermissionError` where this user may not."""


class Storage(Protocol):
    """Where one cluster's history is."""

    @property
    def place(self) -> str:
        """For people; without credentials."""

    @property
    def medium(self) -> str:
        """What may fail, as the end of a sentence: `disk`."""

    @property
    def advice(self) -> str:
        """What helps where it cannot be written or read."""

    @property
    def clock_note(self) -> Path | None:
        """A private file of this machine for how steadily that clock went; `None` where it is not kept."""

    @property
    def cells_a_second(self) -> int:
        """Figures of an hour that may be written a second, beside all of them once a minute."""

    def opened(self, unread: list[str], until: str = "") -> Generator[Part, None, None]:
        """Its parts, one after the other, newest first, from the one named `until` on; what cannot be
        read is told in `unread`."""

    def hindered(self) -> str:
        """Why nobody can record there, as the end of a sentence, as far as can be told without trying; ""
        where nothing is known to be in the way."""

    def recording(self, columns: Columns, redactor: Redactor, clock: Callable[[], float]) -> Recording:
        """To write it. Nothing is touched yet."""

    def marks(self) -> MarkLines:
        """Its deploy marks."""

    def dealt(self) -> DealtWords | None:
        """What its team has dealt with; `None` where it is of one machine."""

    def close(self) -> None:
        """The monitor ends: whatever still reads should, too, where it can be hurried."""
