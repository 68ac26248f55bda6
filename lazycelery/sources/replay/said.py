"""What workers and the broker answered last, by a place of a recording."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay.reader import Answer, Frame, Place

LINKS = ("broker", "control")
"""Frames that tell of a link, beside the events' one."""


class Said:
    """What was answered last."""

    def __init__(self) -> None:
        self.answers: dict[str, Replies] = {}
        self.names: list[str] = []
        self.mailboxes: list[str] = []
        self.depths: dict[str, QueueReport] = {}
        self.link: StatusChange | None = None
        """Of the events; `None` in a recording that does not tell."""
        self.links: dict[str, StatusChange] = {}
        """Those to the broker itself and to the workers (control), as far as the recording tells."""

    def take(self, frame: Frame) -> None:
        """Take in what is no event."""
        if frame.kind == "answer":
            answer: Answer = frame.said
            replies = answer.replies
            if replies.asked is None:  # As older versions recorded it.
                replies = msgspec.structs.replace(replies, asked=frame.at)
            self.answers[answer.method] = replies
        elif frame.kind == "workers":
            self.mailboxes = frame.said
        elif frame.kind == "names":
            self.names = frame.said
        elif frame.kind == "links":
            self.link = msgspec.structs.replace(frame.said, at=frame.at, next_try=None)
        elif frame.kind in LINKS:
            self.links[frame.kind] = msgspec.structs.replace(frame.said, at=frame.at, next_try=None)
        else:
            self.depths.update({report.name: report for report in frame.said})

    def copy(self) -> Said:
        """As it is now. What it holds is replaced, and never changed."""
        other = Said()
        other.answers, other.depths = dict(self.answers), dict(self.depths)
        other.names, other.mailboxes = self.names, self.mailboxes
        other.link, other.links = self.link, dict(self.links)
        return other


class Spot(NamedTuple):
    """A place of a recording, and what had been answered by then."""

    place: Place
    second: int
    said: Said
    earlier: Place
    """Some ten thousand events before."""
