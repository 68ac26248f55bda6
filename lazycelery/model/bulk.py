"""What is done page by page: how far it is, and the plan file in which the rest stays."""

from __future__ import annotations

from typing import Literal

import msgspec

from lazycelery.model.action import ActionName

ItemState = Literal["waiting", "doubt", "done", "dropped"]
"""`doubt`: it may have been done; the program ended, or an answer was lost, before anybody knew."""
BulkState = Literal["running", "stopped", "cut off", "done", "damaged"]
"""`damaged`: the file cannot be read; `why` tells more, and the counts are not known. `cut off`: all of a
queue was meant, so there is no plan file; its backup tells how far it came, and it can be resumed."""


class BulkItem(msgspec.Struct, kw_only=True):
    """One target of a plan file."""

    target: str
    state: ItemState
    name: str | None = None
    queue: str | None = None
    new_id: str | None = None
    """retry: the id of the new task."""
    why: str = ""


class Bulk(msgspec.Struct, kw_only=True):
    """A plan file. Field names are the JSON contract of `lazycelery plan`."""

    id: str
    action: ActionName
    title: str
    created: float
    """Epoch seconds."""
    user: str
    host: str
    profile: str
    broker: str
    """Without credentials."""
    state: BulkState
    tag: str = ""
    rate: float | None = None
    """At most so many a second; `None`: as fast as it goes."""
    total: int = 0
    done: int = 0
    doubtful: int = 0
    waiting: int = 0
    dropped: int = 0
    why: str = ""
    """Why it stopped, as far as that was written down; why it cannot be read."""
    path: str = ""
    noun: str = "task"
    """What its targets are: tasks, or waiting messages."""
    backup: str = ""
    """move, delete, requeue: the file with the messages that were taken."""
    items: list[BulkItem] = []
    """Only where one plan is asked for."""


class Progress(msgspec.Struct, kw_only=True):
    """How far an action is that runs now."""

    plan: str
    """Id of the `Plan` that is carried out: what `halt` takes."""
    action: ActionName
    title: str
    total: int
    done: int = 0
    unknown: int = 0
    began: float = 0.0
    """Epoch seconds."""
    rate: float | None = None
    halting: bool = False
    """It was told to stop, and ends after the page that is under way."""
