"""What workers and the broker answered last, by a place of a recording."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lazycelery.model.reports import QueueReport
from lazycelery.sources.control import LISTS, SURVEY
from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay.reader import Answer, Frame, Place

LINKS = ("broker", "control")
"""Frames that tell of a link, beside the events' one."""


ASKED = frozenset((*SURVEY, *LISTS, "query_task"))
"""Questions of which a round is made."""
TOGETHER = 1.0
"""Seconds between the first question of a round and the last one, at the most."""
SETTLED = 1.0
"""Seconds without another answer, after which nothing more is waited for."""


class Round(NamedTuple):
    """Answers to questions that were asked at once."""

    asked: float
    """When the first of them was, epoch seconds."""
    at: float
    """When the last answer came."""
    answers: dict[str, Replies]
    mailboxes: list[str]
    """Those that were there."""

    def has_room(self, method: str, asked: float) -> bool:
        """Whether an answer is to a question of this round too."""
        return method not in self.answers and abs(asked - self.asked) < TOGETHER

    def said(self) -> Said:
        """These answers alone."""
        alone = Said()
        alone.answers, alone.mailboxes = self.answers, self.mailboxes
        return alone


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
        self.round: Round | None = None
        """What was answered last, where more of it may follow: its answers belong together."""

    def over(self, frame: Frame) -> bool:
        """Whether the round has all its answers before that frame."""
        if self.round is None:
            return False
        if frame.kind == "answer" and frame.said.method in ASKED:
            return not self.round.has_room(frame.said.method, _asked(frame))
        return frame.at - self.round.at > SETTLED

    def take(self, frame: Frame) -> None:
        """Take in what is no event."""
        if frame.kind == "answer":
            answer: Answer = frame.said
            replies = msgspec.structs.replace(answer.replies, asked=_asked(frame))
            self.answers[answer.method] = replies
            if answer.method in ASKED:
                self._gather(answer.method, replies, frame)
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

    def _gather(self, method: str, replies: Replies, frame: Frame) -> None:
        others, asked = self.round, _asked(frame)
        if others is not None and others.has_room(method, asked):
            asked, answers = min(asked, others.asked), {**others.answers, method: replies}
        else:
            answers = {method: replies}
        self.round = Round(asked, frame.at, answers, self.mailboxes)

    def copy(self) -> Said:
        """As it is now. What it holds is replaced, and never changed."""
        other = Said()
        other.answers, other.depths = dict(self.answers), dict(self.depths)
        other.names, other.mailboxes = self.names, self.mailboxes
        other.link, other.links = self.link, dict(self.links)
        other.round = self.round
        return other


def _asked(frame: Frame) -> float:
    """When the question was asked; older versions recorded the moment of the answer alone."""
    asked: float | None = frame.said.replies.asked
    return frame.at if asked is None else asked


class Spot(NamedTuple):
    """A place of a recording, and what had been answered by then."""

    place: Place
    second: int
    said: Said
    earlier: Place
    """Some ten thousand events before."""
