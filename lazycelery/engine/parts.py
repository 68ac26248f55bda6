"""What one engine is made of, wired together: sources, store, actions, and what watches and remembers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lazycelery.actions.audit import AuditLog
from lazycelery.actions.cut_off import CutOff
from lazycelery.actions.guard import Guard
from lazycelery.actions.planfiles import PlanFiles
from lazycelery.actions.service import Actions
from lazycelery.engine.beat import Beats
from lazycelery.engine.changes import Changes
from lazycelery.engine.dealing import Dealing
from lazycelery.engine.events_switch import EventsSwitch, noted
from lazycelery.engine.examiner import Examiner
from lazycelery.engine.finding_marks import FindingMarks
from lazycelery.engine.links import Links
from lazycelery.engine.load import LoadMeter
from lazycelery.engine.log import EventLog
from lazycelery.engine.lookup import Lookup
from lazycelery.engine.marks import Marks
from lazycelery.engine.memory import Memory
from lazycelery.engine.metrics import Meter
from lazycelery.engine.our_clock import OurClock
from lazycelery.engine.overload import Overload
from lazycelery.engine.periodic import Periodic
from lazycelery.engine.plans import Plans
from lazycelery.engine.replaying import Companion, as_replayed
from lazycelery.engine.rewinding import Rewinder, Rewound
from lazycelery.engine.roll_call import RollCall
from lazycelery.engine.rule_status import RuleNotices
from lazycelery.engine.rules import Rules
from lazycelery.engine.slices import in_slices
from lazycelery.engine.veil import Veil
from lazycelery.engine.vigil import Vigil
from lazycelery.engine.watch import Watch
from lazycelery.errors import LazyCeleryError
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.redaction import Redactor
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.broker import Player
from lazycelery.sources.replay.recording import RecordingBroker
from lazycelery.sources.services import Services
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)


class Parts:
    """Each part once. Nothing runs yet."""

    def __init__(self, profile: Profile, clock: Callable[[], float], rewound: Rewound | None = None) -> None:
        raw = open_broker(profile)
        self.own_clock: OurClock | None = None
        """This machine's, where the time is by it."""
        self.rewinder: Rewinder | None = None
        if isinstance(raw, Player):
            # A recording has its own time, and nothing in it can be changed or remembered.
            clock, profile = raw.clock, as_replayed(profile, raw.speed)
            if raw.speed:
                self.rewinder = rewound.rewinder if rewound is not None else Rewinder()
            if rewound is not None and rewound.moment is not None:
                raw.go_on(rewound.moment.spot)
        elif clock is time.time:
            self.own_clock = OurClock()
            clock = self.own_clock.now
        self.player = raw if isinstance(raw, Player) else None
        self.pace = raw.pace if isinstance(raw, Player) else lambda: 1.0
        self.profile, self.clock, self.began = profile, clock, clock()
        self.redactor = Redactor(profile.redact, defaults=profile.redact_default)
        self.veil = Veil(self.redactor)
        self.broker = WholeBroker(raw)
        if profile.record:
            self.broker = RecordingBroker(self.broker, Path(profile.record), self.redactor, clock)
        self.control = Control(self.broker.mailbox)
        self.store = (rewound.store if rewound is not None else None) or Store(profile.max_tasks)
        self.store.errors.veil(self.redactor.text)
        self.log = EventLog(self.redactor, self.store.name)
        self.changes = Changes(self.store, self.log)
        went_on = rewound.moment if rewound is not None else None
        self.meter = went_on.meter.copy() if went_on is not None else Meter()
        self.links = Links(clock, self.changes.status)
        if isinstance(self.broker, RecordingBroker):
            self.links.told = self.broker.link
        self.guard = Guard(profile, recorded=self.player is not None)
        self.audit = AuditLog(profile)
        self.plan_files = PlanFiles(self.audit, profile, self.redactor.url(profile.broker), clock)
        place = f"{self.redactor.url(profile.broker)}|{profile.prefix or ''}"
        self.plans = Plans(self.plan_files, self.store)
        self.services = Services(profile.workers)
        self.periodic = (rewound.periodic if rewound is not None else None) or Periodic()
        self.beats = Beats(profile, self.store, self.links, self.periodic, clock)
        self.cut_off: list[CutOff] = []
        """What a crash cut off, as last looked for."""
        self.actions = Actions(
            profile=profile,
            guard=self.guard,
            audit=self.audit,
            store=self.store,
            queues=self.broker.queues,
            remote=self.control,
            codec=self.broker.codec,
            results=None,
            services=self.services,
            beats=self.beats,
            clock=clock,
        )
        self.overload = Overload(self._relieve)
        self.watch = Watch(
            profile,
            self.store,
            self._heard,
            self.links,
            self.broker,
            self.control,
            clock,
            self.changes.data,
            self.overload,
        )
        self.roll_call = RollCall(self.store, self.links, self.control, clock, self.changes.data)
        self.roll_call.found = self._went
        self.switch = EventsSwitch(
            self.control,
            lambda: self.guard.may("events"),
            noted(self.audit, profile, self.redactor, clock),
            held=profile.enable_events and self.guard.may("events"),
        )
        self.watch.rounds.new_workers = self.switch.on_new_workers
        self.lookup = Lookup(self.store, self.broker, self.control, self.watch, profile, clock)
        self.load = LoadMeter(self._commands_sent)
        self.examiner = Examiner(
            profile,
            self.store,
            self.links,
            self.watch,
            clock,
            self.changes.status,
            self._notes,
            self.queues,
            FindingMarks(profile, self.audit, self.redactor, clock),
            self.periodic,
        )
        self.examiner.snapshots.beat = lambda: self.beats.last
        self.vigil = Vigil(profile, self.redactor, clock, self.changes.status) if profile.alerting else None
        self.rules: Rules | None = None
        self.rule_notices = RuleNotices(profile)
        if self.vigil is not None and profile.rules and not profile.glance:
            self.rules = Rules(
                profile,
                self.store,
                self.actions,
                self.audit,
                self.redactor,
                clock,
                self.vigil.say,
                self.broker.queues,
            )
        if self.vigil is not None and not profile.glance:
            self.examiner.examined = self.vigil.take
        self.memory = Memory(profile, self.store, self.redactor, clock, self.changes.status)
        self.dealing = Dealing(place, self.store, clock, self.changes.data, self.memory.dealt)
        self.marks = Marks(
            self.memory.marks, clock, self.changes.status, lambda: self.memory.status.state == "writing"
        )
        self.examiner.snapshots.recorded = self.memory.hours
        self.examiner.snapshots.remembered = self.memory.task
        if self.player is not None:
            self.examiner.snapshots.replay = "plays" if self.player.speed else "whole"
            self.player.watcher = Companion(self)
            self.watch.rounds.plays = True
            self.began = self.player.reel().start
            if rewound is not None and rewound.moment is not None:
                heard = self.player.heard(rewound.moment.spot)
                self.log.last = rewound.moment.logged - len(heard)
                self.log.add(heard)
        if self.own_clock is not None:
            self.own_clock.was_set = self._clock_set

    def _clock_set(self, by: float) -> None:
        """This machine's clock was set: what is kept stays as long ago as it was."""
        logger.warning("the clock was set %s by %.1f s", "ahead" if by > 0 else "back", abs(by))
        self.began += by
        for each in (self.store, self.links, self.watch, self.roll_call, self.examiner):
            each.clock_set(by)
        if self.rules is not None:
            self.rules.clock_set(by)
        self.changes.status()

    def _notes(self) -> list[str]:
        kept = self.rewinder.notes if self.rewinder is not None else []
        return [*self.broker.notes, *self.watch.backend.notes, *kept]

    async def noted(self) -> None:
        """Our own notes on tasks are known, also where nothing has been watched."""
        await self.plans.known()
        await self.dealing.look(wait=True)

    async def queues(self) -> list[Queue]:
        """All known queues, by name; one that is held says so, and each the worst that is found about it."""
        queues, held = await in_slices(self.store.queues_steps(self.clock())), await self.actions.held()
        trouble = self._trouble()
        for queue in queues:
            queue.trouble = trouble.get(queue.name)
            queue.held = held.get(queue.name)
            if queue.held is not None:
                queue.why = (
                    f"held by {queue.held.user} since {_moment(queue.held.since)}: nobody takes from it"
                )
        return queues

    async def _went(self, _workers: list[str]) -> None:
        """Workers were found to be gone: what they held, and what follows, is told at once."""
        with suppress(LazyCeleryError):  # The links tell.
            await self.watch.looks.look_in_flight()
        self.examiner.soon()

    def _trouble(self) -> dict[str, Literal["critical", "warning"]]:
        found: dict[str, Literal["critical", "warning"]] = {}
        for finding in self.examiner.last.findings:
            if finding.kind == "queue" and finding.severity != "info":
                worse = finding.severity == "critical" or finding.subject not in found
                found[finding.subject] = finding.severity if worse else found[finding.subject]
        for code, subject in self.examiner.present:  # Told with the loss of the worker that held them.
            if code == "message-orphaned":
                found[subject] = "critical"
        return found

    def _heard(self, events: list[Event], kept: Sequence[Event]) -> None:
        """Events that the store has taken in; of some tasks it keeps none under load."""
        self.log.add(kept)
        self.memory.heard()
        self.periodic.take(events)
        if self.rules is not None:
            self.rules.heard(events)

    def second(self, now: float, held: float = 0.0) -> None:
        """A second is over; `held` as for the store. Events that it had held back under load, and shows now,
        were heard as they came."""
        if self.store.second(now, self.links["events"].state == "connected", held):
            self.log.add(self.store.told.events)
            self.memory.heard()

    def _relieve(self, stage: int) -> None:
        self.store.relieve(stage, self.clock())
        self.changes.status()

    def _commands_sent(self) -> int:
        results = self.watch.backend.results
        own = self.broker.commands_sent() + self.beats.commands_sent()
        return own + (results.commands_sent() if results else 0)


def _moment(at: float) -> str:
    return time.strftime("%H:%M" if time.time() - at < 43_200 else "%Y-%m-%d %H:%M", time.localtime(at))
