"""Keeps watch over findings: their turns, and the alerts that follow from them. A thread of its own.

One process keeps watch for a profile on a machine, by a lock; another one tells turns too, and sends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from lazycelery.actions.files import make_private_directory, state_directory
from lazycelery.alerts import payload
from lazycelery.alerts.choice import Ledger, choose
from lazycelery.alerts.courier import Courier
from lazycelery.alerts.outbox import Outbox
from lazycelery.insight.doctor.cases import Cases
from lazycelery.model.alert import Case, Turn, TurnPage
from lazycelery.model.finding import Covered, Examination
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.store.history.files import directory_of
from lazycelery.store.history.lock import Lock
from lazycelery.waiting import came

logger = logging.getLogger(__name__)

KEPT = 2000
"""Turns that are remembered for faces."""
TAKE_OVER = 5.0
"""Seconds between two looks whether another one keeps watch still, and before a disk is tried again."""
LAST = 0.5
"""Seconds that a delivery under way is given at the end: what was not taken by then is kept."""
CASES = "cases"
T = TypeVar("T")
Seen = tuple[Examination, frozenset[tuple[str, str]], list[Covered]]


def directory(profile: Profile) -> Path:
    """Where the outbox of a profile is."""
    return directory_of(state_directory() / "alerts", profile.name, profile.broker)


class Vigil:
    """`take` each examination; `turns` tells what came of it."""

    def __init__(
        self, profile: Profile, redactor: Redactor, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._profile, self._redactor, self._clock, self._changed = profile, redactor, clock, changed
        self._broker = redactor.url(profile.broker)
        self._lock = Lock(directory(profile))
        self._outbox: Outbox | None = None
        self._ledgers: dict[str, Ledger] = {}
        self._couriers: list[Courier] = []
        self._cases = Cases(glances=profile.glance)
        self._turns: deque[Turn] = deque(maxlen=KEPT)
        self._last = 0
        self._examined: float | None = None
        self._pending = 0
        self._next_try = 0.0
        self._told_other = ""
        self._seen: Seen | None = None
        self._news, self._stop, self._done = threading.Event(), threading.Event(), threading.Event()
        self._new = asyncio.Event()
        self._saved: dict[str, str] = {}
        self._told = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # ---- for the engine's loop

    def start(self) -> None:
        """Begin; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="vigil", daemon=True)
        self._thread.start()

    def take(self, examination: Examination, present: set[tuple[str, str]], covered: list[Covered]) -> None:
        """An examination is done; the newest one counts."""
        copy = msgspec.structs.replace(
            examination, findings=list(examination.findings), snoozed=list(examination.snoozed)
        )
        self._seen = (copy, frozenset(present), covered)
        self._done.clear()
        self._news.set()

    async def turns(self, after: int, timeout: float, settle: bool) -> TurnPage:
        """Turns after a number, waiting for one at most so long; `settle` waits until the last examination
        was looked at and what is due was tried to be delivered, instead."""
        if settle:
            await asyncio.to_thread(self._settle, timeout)
        else:
            await self._next(after, timeout)
        kept = list(self._turns)
        first = kept[0].seq if kept else self._last + 1
        return TurnPage(
            turns=[turn for turn in kept if turn.seq > after],
            last=self._last,
            missed=max(0, first - after - 1) if after >= 0 else 0,
            open=sum(not case.snoozed and not case.under for case in self._cases.open),
            pending=self._pending,
            examined=self._examined,
        )

    async def _next(self, after: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self._last <= after and (left := deadline - time.monotonic()) > 0:
            self._new.clear()
            await came(self._new, left)

    def _settle(self, timeout: float) -> None:
        self._done.wait(timeout)
        deadline = time.monotonic() + timeout
        outbox = self._outbox
        while outbox is not None and time.monotonic() < deadline:
            with contextlib.suppress(OSError, sqlite3.Error):
                self._pending = sum(outbox.counts().values())
            if not self._pending:
                break
            time.sleep(0.05)

    async def close(self) -> None:
        """Stop; what was not delivered is kept on the disk."""
        if self._thread is not None:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._stop.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(LAST)
        deadline = time.monotonic() + LAST
        for courier in self._couriers:
            courier.stop(0.0)
        for courier in self._couriers:
            courier.stop(max(0.0, deadline - time.monotonic()))
        if self._outbox is not None and not any(courier.alive for courier in self._couriers):
            with contextlib.suppress(sqlite3.Error):
                self._outbox.close()
        self._lock.give_back()

    def _tell(self) -> None:
        self._new.set()
        self._changed()

    # ---- the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.wait(1.0)
            self._news.clear()
            seen, self._seen = self._seen, None
            try:
                self._own()
                if seen is not None:
                    self._step(*seen)
            except (OSError, sqlite3.Error) as problem:
                self._trouble(problem, seen)
            except Exception:
                logger.exception("vigil")
            if self._seen is None:
                self._done.set()

    def _own(self) -> None:
        """Become the one who keeps watch, when nobody else does."""
        now = time.monotonic()
        if self._outbox is not None or now < self._next_try:
            return
        self._next_try = now + TAKE_OVER
        make_private_directory(directory(self._profile))
        if not self._lock.take():
            holder = self._lock.holder()
            if self._told_other != holder and self._profile.alerts:
                self.say(f"Alerts of {self._profile.name} are sent by {holder}; this one sends none.")
            self._told_other = holder
            return
        outbox = Outbox(directory(self._profile) / "alerts.sqlite3")
        keys = [CASES, *(_key(target.name) for target in self._profile.alerts)]
        self._saved = {key: body for key in keys if (body := outbox.known(key)) is not None}
        self._read(self._saved)
        self._forget_strangers(outbox)
        for target in self._profile.alerts:
            courier = Courier(
                target, outbox, self._profile.name, self._broker, self.say, not self._profile.glance
            )
            self._couriers.append(courier)
            courier.start()
        self._outbox = outbox

    def _read(self, known: Mapping[str, str]) -> None:
        """Take up what was written down; what another version wrote begins anew."""
        self._cases = Cases(_decoded(known.get(CASES), list[Case], []), self._profile.glance)
        self._ledgers = {
            target.name: _decoded(known.get(_key(target.name)), Ledger, Ledger())
            for target in self._profile.alerts
        }

    def _forget_strangers(self, outbox: Outbox) -> None:
        known = {target.name for target in self._profile.alerts}
        strangers = {name: number for name, number in outbox.counts().items() if name not in known}
        for name, number in strangers.items():
            self.say(f"{number} alerts to {name} are dropped: the profile has no such target any more.")
        outbox.forget(list(strangers))

    def _step(
        self, examination: Examination, present: frozenset[tuple[str, str]], covered: list[Covered]
    ) -> None:
        now = self._clock()
        turns = self._cases.step(examination, present, now, covered)
        outbox = self._outbox
        if outbox is not None:
            alerts = []
            for target in self._profile.alerts:
                for telling in choose(target, self._ledgers[target.name], turns, self._cases.open, now):
                    item = payload.item(telling, uuid.uuid4().hex, now, self._redactor)
                    alerts.append((target.name, time.time(), item))
            if turns or alerts or self._examined is None:
                known = self._written()
                try:
                    gone = outbox.commit(known, alerts)
                except BaseException:
                    self._read(self._saved)  # What was not written down has not happened: it is seen again.
                    raise
                self._saved = known
                if gone:
                    self.say(f"The outbox is full: {gone} older alerts were dropped.")
            if alerts:
                for courier in self._couriers:
                    courier.wake()
            self._pending = sum(outbox.counts().values()) if self._profile.alerts else 0
        self._examined = examination.at
        for turn in turns:
            if turn.aside:
                continue
            self._publish(self._veiled(turn))

    def _veiled(self, turn: Turn) -> Turn:
        """For logs and programs: names may hold secrets too. Title, evidence and fix are veiled already."""
        if (finding := turn.finding) is not None:
            hide = self._redactor.text
            turn.finding = msgspec.structs.replace(
                finding,
                subject=hide(finding.subject),
                cause=hide(finding.cause),
                related=[hide(name) for name in finding.related],
            )
        return turn

    def _written(self) -> dict[str, str]:
        known = {_key(name): msgspec.json.encode(each).decode() for name, each in self._ledgers.items()}
        return {CASES: msgspec.json.encode(self._cases.open).decode(), **known}

    def _trouble(self, problem: Exception, seen: Seen | None) -> None:
        """The disk refuses. Nothing is told as new that was not written down; it is tried again."""
        text = getattr(problem, "strerror", None) or str(problem)
        if self._told_other != text:
            self._told_other = text
            self.say(f"Alerts cannot be written down: {text}. They wait for the disk.")
        self._next_try = time.monotonic() + TAKE_OVER

    def say(self, text: str) -> None:
        """A remark about alerts, or rules, themselves."""
        self._publish(Turn(kind="remark", at=self._clock(), text=text))

    def _publish(self, turn: Turn) -> None:
        with self._told:
            self._last += 1
            turn.seq = self._last
            self._turns.append(turn)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                self._loop.call_soon_threadsafe(self._tell)


def _key(target: str) -> str:
    return f"ledger:{target}"


def _decoded(body: str | None, kind: type[T], otherwise: T) -> T:
    if body is not None:
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(body, type=kind)
    return otherwise
