"""A recording as a `Broker`: it says again what was said, as fast as is wanted, and changes nothing.

    replay:///path/to/file?speed=10&from=60&paused=1

`speed` 0, the default, plays all of it at once: what one-shot commands want. `from` is seconds after the
beginning; all before is played at once.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote_to_bytes

from lazycelery.errors import UsageError
from lazycelery.model.counting import count
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.reports import QueueReport
from lazycelery.sources.codec import EnvelopeCodec
from lazycelery.sources.protocols.broker import Nobody, Watcher
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import Deliver, EventBatch
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.replay.clock import FASTEST, PlayClock
from lazycelery.sources.replay.mailbox import CHANGES_NOTHING, LastAnswers
from lazycelery.sources.replay.reader import Reader
from lazycelery.sources.replay.said import LINKS, SETTLED, Round, Said, Spot
from lazycelery.sources.replay.tape import Tape, tape_of

SCHEME = "replay"
AT_ONCE = 1_000
"""Events: a few milliseconds."""
SLICE = 0.005
"""Seconds after which others have their turn."""
SHOWN = 0.2
"""Seconds between two signs of how far it has come."""
SILENCE = 60
"""Seconds without a word, from which on a recording's maker was away: queues are looked at every few."""
GROWS = 1.0
"""Seconds between two looks for what is recorded just now."""
GROWS_AT_ONCE = 20_000
MARKED = 20
"""Places, a thousand events from one to the next."""
NOT_KEPT = "This is a recording, and messages are not kept in it."
NO_RESULTS = "This is a recording, and results of the backend are not in it."


class ReplayBroker:
    """Plays one file."""

    transport = SCHEME

    def __init__(self, profile: Profile) -> None:
        """Raises `UsageError` for a file that is no recording."""
        path, speed, start, paused = _parts(profile.broker)
        self.codec: Codec = EnvelopeCodec()
        self.tape = tape_of(path)
        self.speed = speed
        self._begin = min(self.tape.start + start, self.tape.end)
        self._time = PlayClock(self._begin, self.tape.end, speed, paused)
        self._time.played = self.tape.start
        self.said = Said()
        self._told: Round | None = None
        """The answers that were told last."""
        self._reader = self.tape.reader()
        self._marked = deque([self._reader.place], maxlen=MARKED)
        self._unmarked = 0
        """Events since the last of these places."""
        self._second = math.floor(self.tape.start)
        """The last one that was told to be over."""
        self._last = self.tape.start
        """When the last thing was said that was said again."""
        self._shown = 0.0
        self._next: float | None = None
        """When the next thing was said that was not said again yet."""
        self._played = asyncio.Event()
        """All before the beginning, or all of it."""
        self.watcher: Watcher = Nobody()
        self.events, self.queues = _Events(self), _Queues(self)
        self.mailbox = LastAnswers(lambda: self.said, self.ready)
        self.lacks = {
            **dict.fromkeys(("peek", "find"), NOT_KEPT),
            **dict.fromkeys(("publish", "put_back", "purge"), CHANGES_NOTHING),
            "results": NO_RESULTS,
        }

    @property
    def notes(self) -> list[str]:
        """That this is no live cluster, and what of it cannot be read."""
        tape = self.tape
        pace = f"{self.speed:g} times as fast as it was" if self.speed else "all at once"
        told = [f"This is a recording of {tape.end - tape.start:.0f} s, played {pace}."]
        if self._reader.unread or tape.damage:
            told.append(f"The recording is damaged or cut off: {_damage(tape, self._reader)}.")
        if tape.set_back:
            back = f"{tape.set_back:.0f} s"
            told.append(f"While it was recorded the clock was set back by {back}: times are counted on.")
        return told

    def clock(self) -> float:
        """The recording's own time: what is over is over, and nothing ages after its end."""
        return self._time.now()

    def pace(self) -> float:
        """How fast its clock goes now."""
        return self._time.pace()

    def reel(self) -> Reel:
        """Where it is; one that is played all at once is at its end."""
        tape, now = self.tape, self._time
        return Reel(
            start=tape.start,
            end=tape.end,
            at=now.aim(),
            played=now.played,
            speed=now.speed or 1.0,
            paused=now.paused,
        )

    def turn(self, do: Turn, amount: float, kept: bool = False) -> Reel:
        """Pause, go faster, jump or step. `reopen` tells how to get to a moment that is over, or before which
        another one was `kept`."""
        play, here = self._time, self.reel()
        if do == "pause":
            play.turn(paused=not play.paused)
        elif do == "speed":
            play.turn(speed=amount)
        elif do == "step" and play.played is not None:
            play.turn(paused=True)  # What is said next is not known on the way.
        elif do == "step":
            following = self._next if self._next is not None else play.end
            play.turn(at=max(following, self._last), paused=True)
        elif amount >= self._last and not kept:
            play.turn(at=amount)
        else:
            start = max(0.0, amount - self.tape.start)
            paused = "&paused=1" if play.paused else ""
            here.reopen = (
                f"{SCHEME}://{quote(os.fsencode(self.tape.path))}?speed={here.speed:g}&from={start!r}{paused}"
            )
            return here
        return self.reel()

    def reached(self) -> float:
        """When the last thing was said that was said again."""
        return self._last

    def moment(self, profile: Profile) -> float | None:
        """Where that profile wants it to begin; `None` where that is another recording."""
        path, _, start, _ = _parts(profile.broker)
        return self.tape.start + start if path == self.tape.path else None

    def heard(self, spot: Spot) -> list[Event]:
        """The last events before a spot: some ten thousand, as far as there were any."""
        found: list[Event] = []
        reader = Reader(self.tape.path, spot.earlier)
        while reader.place.offset < spot.place.offset and (frame := reader.frame()) is not None:
            if frame.kind == "events":
                found += frame.said
        reader.close()
        return found

    def spot(self) -> Spot:
        """Where the playing is, between two frames: `go_on` goes on from there."""
        return Spot(self._reader.place, self._second, self.said.copy(), self._marked[0])

    def go_on(self, spot: Spot) -> None:
        """Go on from a place, instead of the beginning. Before it plays."""
        self._reader.seek(spot.place)
        self._second, self.said = spot.second, spot.said.copy()
        self._time.played = self._last = spot.place.at
        self._marked.clear()
        self._marked.append(spot.earlier)

    async def connect(self) -> None:
        """It is there already."""

    async def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    async def lost(self) -> str | None:
        """It never is."""
        return None

    def commands_sent(self) -> int:
        """None: there is nobody to send to."""
        return 0

    async def ready(self) -> None:
        """Wait for all that lies before the beginning."""
        await self._played.wait()

    async def play(self, deliver: Deliver, status: TellStatus) -> None:
        """Say everything again, each at its time. What is over by then is said in large pieces: most of a
        small one's cost is not for its events."""
        clock, over, since = self._time, list[Event](), time.monotonic()
        while True:
            frame = self._reader.frame()
            if frame is None or frame.at > clock.aim():
                self._say(over, deliver)
                over = []
                self._next = frame.at if frame is not None else None
            if frame is None:
                await self._answered()
                self._arrived()
                if not self.speed:
                    return
                await clock.turned(GROWS)  # It may be that it is still recorded.
                continue
            await self._due(frame.at)
            if clock.played is not None:
                clock.slip(frame.at)  # What is told now is of that moment.
            if (second := math.floor(frame.at)) > self._second:
                self._say(over, deliver)
                over = []
                self._seconds(second)
            if self.said.over(frame):
                self._say(over, deliver)
                over = []
                await self._answered()
                self.said.round = None
            if frame.kind == "events":
                over += frame.said
            else:
                self.said.take(frame)
                if frame.kind == "links" and self.said.link is not None:
                    self._say(over, deliver)
                    over = []
                    status(self.said.link)
                elif frame.kind in LINKS:
                    self._say(over, deliver)
                    over = []
                    self.watcher.linked(frame.kind, self.said.links[frame.kind])
                elif frame.kind == "depths":
                    self._say(over, deliver)
                    over = []
                    self.watcher.looked(frame.said)
            self._last = frame.at
            if len(over) >= AT_ONCE or time.monotonic() - since > SLICE:
                self._say(over, deliver)
                over = []
                clock.slip(frame.at)
                self._mark()
                await self.watcher.passed()
                if clock.played is not None and time.monotonic() - self._shown > SHOWN:
                    self._shown = time.monotonic()
                    self.watcher.turned()
                await asyncio.sleep(0)
                since = time.monotonic()

    async def grow(self) -> None:
        """Follow a recording that is still being made."""
        while True:
            await asyncio.sleep(GROWS)
            self.tape.grow(most=GROWS_AT_ONCE)
            if self.tape.end > self._time.end:
                self._time.grow(self.tape.end)
                self.watcher.turned()

    def _say(self, events: list[Event], deliver: Deliver) -> None:
        if events:
            deliver(EventBatch(events))
            self._unmarked += len(events)

    async def _answered(self) -> None:
        """Tell the last round of answers before another one takes its place: on the way to another moment,
        and where it plays fast, nobody looks in time. It is told again with what more comes of it."""
        told = self.said.round
        if told is not None and told is not self._told:
            self._told, answers = told, told.said()
            mailbox = LastAnswers(lambda: answers)
            await self.watcher.answered(mailbox, list(told.answers), told.asked, self._last)

    def _mark(self) -> None:
        if self._unmarked >= AT_ONCE:
            self._unmarked = 0
            self._marked.append(self._reader.place)

    def _on_its_way(self) -> bool:
        return self._time.played is not None or not self._played.is_set()

    def _arrived(self) -> None:
        if self._on_its_way():
            self._time.arrive()
            self._played.set()
            self.watcher.arrived()

    async def _due(self, at: float) -> None:
        """Wait until it is time. Where nothing was recorded for long, nobody has to wait so long again;
        but while the broker was away, its silence is what there was to see."""
        clock, link = self._time, self.said.links.get("broker")
        away = link is not None and link.state != "connected"
        while clock.aim() < at:
            if self._on_its_way():
                await self._answered()
                if clock.aim() >= at:
                    break
                self._arrived()
            if at - self._last > SILENCE and not away and clock.pace() and clock.now() < at - 1.0:
                clock.skip(at - 1.0)
            last = self.said.round
            settled = at if last is None or last is self._told else min(at, last.at + SETTLED)
            await clock.reach(settled)
            if settled < at and clock.aim() >= settled:
                await self._answered()

    def _seconds(self, second: int) -> None:
        first = self._second + 1 if second - self._second <= SILENCE else second
        for over in range(first, second + 1):
            self.watcher.second(float(over))
        self._second = second


class _Events:
    def __init__(self, broker: ReplayBroker) -> None:
        self._broker = broker

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Play it, and stay."""
        status(StatusChange("connected"))
        if (link := self._broker.said.link) is not None and link.state != "connected":
            status(link)
        for name, away in self._broker.said.links.items():
            if away.state != "connected":
                self._broker.watcher.linked(name, away)
        growing = asyncio.ensure_future(self._broker.grow())
        try:
            await self._broker.play(deliver, status)
            await asyncio.Event().wait()
        finally:
            growing.cancel()


class _Queues:
    def __init__(self, broker: ReplayBroker) -> None:
        self._broker = broker

    async def names(self) -> list[str]:
        """The queues that were named."""
        await self._broker.ready()
        return self._broker.said.names

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Their depths when they were looked at."""
        known, at = self._broker.said.depths, self._broker.clock()
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
    return Path(os.fsdecode(unquote_to_bytes(place))), speed, start, asked.get("paused") == "1"


def _damage(tape: Tape, reader: Reader) -> str:
    """What cannot be read, in words."""
    told = []
    if tape.damage:
        told.append(f"{tape.damage:,} bytes cannot be read")
    if reader.unread:
        told.append(count(reader.unread, "piece", does="are") + " left out")
    return ", ".join(told)
