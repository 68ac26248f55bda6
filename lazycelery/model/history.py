"""The recorded history of a cluster: how it does, and what is asked of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lazycelery.model.task import Task


class NotKept(msgspec.Struct, kw_only=True):
    """What recorders saw and did not write, as the history itself tells; of several recorders the sum."""

    since: float
    """The hours of which it is told, epoch seconds."""
    until: float
    successes: int = 0
    """Successful tasks let go under load: in the statistics alone."""
    texts: int = 0
    """Long texts let go under load."""
    waiting: int = 0
    """Sent tasks let go because they waited too long for a worker."""
    missed: float = 0.0
    """Seconds of events that were not heard under load."""
    dropped: int = 0
    """Events that could not be written."""
    dropped_tasks: int = 0
    """Tasks that could not be written."""
    dropped_notes: int = 0
    """Samples, findings and figures that could not be written."""


class HistoryStatus(msgspec.Struct, kw_only=True):
    """What becomes of what is seen, and what is known from before."""

    state: Literal["off", "reading", "writing", "broken"] = "off"
    """off: the profile says so. reading: another monitor writes, or this face only looks. broken: it cannot
    be written, or by who only looks not be read; `reason` tells why."""
    reason: str = ""
    hint: str = ""
    directory: str = ""
    """Its place: a directory, or a database's URL without credentials."""
    written: float | None = None
    """When the last batch was written, epoch seconds; what came later may be lost by a crash."""
    behind: int = 0
    """Events that wait to be written."""
    dropped: int = 0
    """Events that could not be kept for writing: the disk or the database refused them for too long."""
    dropped_notes: int = 0
    """Samples, findings and figures of an hour that could not be kept either."""
    dropped_tasks: int = 0
    """Tasks that left the full store before they could be written, as they were then; a row of some may be
    there, as they were before."""
    lean: int = 0
    """Tasks written without their long texts so far, as writing them is slow; they follow."""
    put_off: str = ""
    """What cannot be done to keep it bounded (remove old days, make those ahead), and why."""
    loaded: int = 0
    """Tasks shown that come from the history."""
    recorded: int | None = None
    """Tasks in its files, one that lasted over two days counted twice; `None` where that is not known."""
    more_recorded: bool = False
    """Whether there are more than `recorded`: a large history of a team is not counted to its end."""
    unread: list[str] = []
    """What of it could not be read, and why: those tasks are not shown."""
    skipped: int = 0
    """Tasks, at least, on bad pages of damaged files."""
    not_kept: NotKept | None = None
    """What recorders let go or could not write, in all of the history that is kept; `None` where none was."""
    loading: bool = False
    since: float | None = None
    """From when on tasks were loaded, epoch seconds; what is older is in the files alone."""
    interrupted: bool = False
    """The monitor before was killed: of what it saw the last second may be missing."""


class HistoryQuery(msgspec.Struct, kw_only=True):
    """A question to the files."""

    filter: str = ""
    limit: int = 100
    children: bool = True
    """Whether it is to be told which tasks each one sent: all of a part is read for that."""
    after: str = ""
    """`HistoryPage.next` of the page before; "" begins with the newest."""


class HistoryPage(msgspec.Struct, kw_only=True):
    """Tasks out of the files, newest first; fewer than were asked for where their texts are large."""

    tasks: list[Task] = []
    next: str | None = None
    """What `after` must be for the page that follows; `None` when there is none."""
    searched: int = 0
    """Tasks that were looked at for this page."""
    since: float | None = None
    """How far the files reach back, epoch seconds; `None` when nothing was recorded."""
    until: float | None = None
    """When something was written down last, epoch seconds; told with the first page."""
    unread: list[str] = []
    """Files that could not be read, and why."""
    skipped: int = 0
    """Tasks, at least, on bad pages of damaged files, among those that were looked at."""
    not_kept: NotKept | None = None
    """What recorders let go or could not write; told with the first page."""
    hindered: str = ""
    """Why nothing can be recorded there; told where nothing is."""
