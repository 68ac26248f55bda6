"""A recording as a `Broker`: it says again what was said, as fast as is wanted, and changes nothing.

    replay:///path/to/file?speed=10&from=60&paused=1

`speed` 0, the default, plays all of it at once: what one-shot commands want. `from` is seconds after the
beginning; all before is played at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from lazycelery.errors import Refused, UsageError
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.reports import QueueReport
from lazycelery.sources.codec import EnvelopeCodec
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import Deliver, EventBatch
from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.replay.clock import FASTEST, PlayClock
from lazycelery.sources.replay.tape import Answer, Frame, Tape

SCHEME = "replay"
CHANGES_NOTHING = "This is a recording: it can be looked at, and nothing in it can be changed."
AT_ONCE = 1_000
"""Events: a few milliseconds."""
NOT_KEPT = "This is a recording, and messages are not kept in it."


class ReplayBroker:
    """Plays one file."""

    transport = SCHEME

    def __init__(self, profile: Profile) -> None:
        """Raises `UsageError` for a file that is no recording."""
        path, speed, start, paused = _parts(profile.broker)
        self.codec: Codec = EnvelopeCodec()
        self.tape = Tape(path)
        self.speed = speed
        self._begin = min(self.tape.start + start, self.tape.end)
        self._time = PlayClock(self._begin, self.tape.end, speed, paused)
        self._next: float | None = None
        """When the next thing was said that was not said again yet."""
        self._answers: dict[str, Replies] = {}
        self._names: list[str] = []
        self._mailboxes: list[str] = []
        self._depths: dict[str, QueueReport] = {}
        self._played = asyncio.Event()
        """All before the beginning, or all of it."""
        self.events, self.mailbox, self.queues = _Events(self), _Mailbox(self), _Queues(self)
        self.lacks = {
            **dict.fromkeys(("peek", "find"), NOT_KEPT),
            **dict.fromkeys(("publish", "put_back", "purge"), CHANGES_NOTHING),
        }

    @property
    def notes(self) -> list[str]:
        """That this is no live cluster."""
        pace = f"{self.speed:g} times as fast as it was" if self.speed else "all at once"
        return [f"This is a recording of {self.tape.end - self.tape.start:.0f} s, played {pace}."]

    def clock(self) -> float:
        """The recording's own time: what is over is over, and nothing ages after its end."""
        return self._time.now()

    def pace(self) -> float:
        """How fast its clock goes now."""
        return self._time.pace()

    def reel(self) -> Reel:
        """Where it is; one that is played all at once is at its end."""
        tape, now = self.tape, self._time
        return Reel(start=tape.start, end=tape.end, at=now.now(), speed=now.speed or 1.0, paused=now.paused)

    def turn(self, do: Turn, amount: float) -> Reel:
        """Pause, go faster, jump or step. `reopen` tells how to get to a moment that is over."""
        play, here = self._time, self.reel()
        if do == "pause":
            play.turn(paused=not play.paused)
        elif do == "speed":
            play.turn(speed=amount)
        elif do == "step":
            play.turn(at=self._next if self._next is not None else play.end, paused=True)
        elif amount >= here.at:
            play.turn(at=amount)
        else:
            start = max(0.0, amount - self.tape.start)
            paused = "&paused=1" if play.paused else ""
            here.reopen = (
                f"{SCHEME}://{quote(str(self.tape.path))}?speed={here.speed:g}&from={start:g}{paused}"
            )
            return here
        return self.reel()

    async def connect(self) -> None:
        """It is there already."""
        self._time.begin()

    async def close(self) -> None:
        """Nothing is held."""

    async def lost(self) -> str | None:
        """It never is."""
        return None

    def commands_sent(self) -> int:
        """None: there is nobody to send to."""
        return 0

    async def ready(self) -> None:
        """Wait for all that lies before the beginning."""
        await self._played.wait()

    async def play(self, deliver: Deliver) -> None:
        """Say everything again, each at its time. What is over by then is said in large pieces: most of a
        small one's cost is not for its events."""
        until = self._begin if self.speed else self.tape.end
        over: list[Event] = []
        for frame in self.tape.frames():
            if frame.at > max(until, self._time.now() if self._played.is_set() else 0.0):
                self._say(over, deliver)
                over = []
                if not self._played.is_set():
                    self._played.set()
                    self._time.begin()
                self._next = frame.at
                await self._time.reach(frame.at)
            if frame.kind == "events":
                over += frame.said
            else:  # Answers wait until they are asked for: they may come before the events.
                self._take(frame)
            if len(over) >= AT_ONCE:
                self._say(over, deliver)
                over = []
                await asyncio.sleep(0)
        self._say(over, deliver)
        self._next = None
        self._played.set()

    def _say(self, events: list[Event], deliver: Deliver) -> None:
        if events:
            deliver(EventBatch(events))

    def _take(self, frame: Frame) -> None:
        if frame.kind == "answer":
            answer: Answer = frame.said
            self._answers[answer.method] = answer.replies
        elif frame.kind == "workers":
            self._mailboxes = frame.said
        elif frame.kind == "names":
            self._names = frame.said
        else:
            self._depths.update({report.name: report for report in frame.said})


class _Events:
    def __init__(self, broker: ReplayBroker) -> None:
        self._broker = broker

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Play it, and stay."""
        status(StatusChange("connected"))
        await self._broker.play(deliver)
        await asyncio.Event().wait()


class _Mailbox:
    def __init__(self, broker: ReplayBroker) -> None:
        self._broker = broker

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """What was answered last to this question, and never anything that would tell a worker to act."""
        await self._broker.ready()
        known = self._broker._answers.get(method)
        if known is None:
            if method in ("ping", "stats", "active", "active_queues", "registered", "conf"):
                return Replies(expected=None, replies=[], complete=True)
            if method in ("reserved", "scheduled", "query_task"):
                return Replies(expected=None, replies=[], complete=True)
            raise Refused(CHANGES_NOTHING, nothing_done=True)
        replies = [
            reply for reply in known.replies if destination is None or reply.worker in set(destination)
        ]
        for reply in replies:
            if method == "conf" and isinstance(reply.value, dict):
                reply.value.pop("result_backend", None)  # It is not for us to connect to.
        return Replies(expected=known.expected, replies=replies, complete=True)

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Nobody hears it."""
        raise Refused(CHANGES_NOTHING, nothing_done=True)

    async def workers(self) -> list[str]:
        """The mailboxes that were there."""
        await self._broker.ready()
        return self._broker._mailboxes


class _Queues:
    def __init__(self, broker: ReplayBroker) -> None:
        self._broker = broker

    async def names(self) -> list[str]:
        """The queues that were named."""
        await self._broker.ready()
        return self._broker._names

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Their depths when they were looked at."""
        known, at = self._broker._depths, self._broker.clock()
        return [known.get(name) or QueueReport(name=name, at=at) for name in names]


def _parts(url: str) -> tuple[Path, float, float, bool]:
    place, _, query = url.partition("://")[2].partition("?")
    if not place:
        raise UsageError("No recording is named.", "Write replay:///path/to/file.")
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    try:
        speed, start = float(asked.get("speed", 0)), float(asked.get("from", 0))
    except ValueError:
        raise UsageError("speed and from are numbers.", "For example ?speed=10&from=60") from None
    if not (0 <= speed <= FASTEST and 0 <= start < float("inf")):
        raise UsageError(f"A recording plays up to {FASTEST:g} times as fast as it was.")
    return Path(unquote(place)), speed, start, asked.get("paused") == "1"
