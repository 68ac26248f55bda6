"""Brings alerts to one target: a thread that tries until they are taken, oldest first."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence

from lazycelery.alerts import payload
from lazycelery.alerts.delivery import Result, deliver, place
from lazycelery.alerts.outbox import Outbox, Waiting
from lazycelery.model.alert import AlertTarget

logger = logging.getLogger(__name__)

AT_ONCE = 50
"""Alerts in one message: what gathered while an endpoint was down comes as few messages."""
BACKOFF = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds before each new try; the last one stays."""
IDLE = 30.0
HOPELESS_TRIES = 5
"""Tries after which a message that is refused for what it is goes."""


class Courier:
    """Runs until it is stopped. `say` gets a remark when a target begins or ceases to fail."""

    def __init__(
        self,
        target: AlertTarget,
        outbox: Outbox,
        profile: str,
        broker: str,
        say: Callable[[str], None],
        gather: bool = True,
    ) -> None:
        self._gather = gather
        """Whether alerts wait for others to come along."""
        self.target, self._outbox, self._profile, self._broker, self._say = (
            target,
            outbox,
            profile,
            broker,
            say,
        )
        self._wake, self._stop = threading.Event(), threading.Event()
        self._failures = self._refused = 0
        """Since one was taken: of any kind; for what was in it."""
        self._alone = False
        """One at a time: something in the last message was refused for what it is."""
        self._thread = threading.Thread(target=self._run, name=f"alerts-{target.name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to be delivered."""
        self._wake.set()

    def stop(self, wait: float) -> None:
        """Begin nothing new; waits so long for what is under way."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(wait)

    @property
    def alive(self) -> bool:
        """Whether a delivery is under way."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                pause = self.once()
            except (OSError, sqlite3.Error) as problem:
                logger.warning("alerts: %s", problem)
                pause = BACKOFF[-2]
            except Exception:
                logger.exception("alerts")
                pause = BACKOFF[-1]
            if self._failures:
                self._stop.wait(pause)  # News do not make an endpoint that is down answer.
            else:
                self._wake.wait(pause)
            self._wake.clear()

    def once(self) -> float:
        """Deliver what is due; returns after how many seconds to look again."""
        waiting, dropped = self._outbox.waiting(self.target.name, AT_ONCE)
        if not waiting:
            return IDLE
        age = time.time() - waiting[0].at
        if self._gather and not self._failures and 0 <= age < self.target.group:
            return self.target.group - age
        together = self.target.group or self._failures or len(waiting) == AT_ONCE
        batch = waiting if together and not self._alone else waiting[:1]
        result = self._deliver(batch, dropped)
        if not result.problem:
            self._outbox.delivered(self.target.name, batch, dropped)
            if self._failures:
                self._say(f"Alerts to {self.target.name} are taken again ({len(batch)} delivered).")
            self._failures, self._refused, self._alone = 0, 0, False
            return 0.0
        return self._failed(result, batch)

    def _deliver(self, batch: Sequence[Waiting], dropped: int) -> Result:
        name = f"{batch[0].item['id']}-{len(batch)}"
        items = [one.item for one in batch]
        return deliver(self.target, payload.message(name, self._profile, self._broker, items, dropped))

    def _failed(self, result: Result, batch: Sequence[Waiting]) -> float:
        self._failures += 1
        where = f"{self.target.name} ({place(self.target)})"
        if self._failures == 1:
            self._say(
                f"Alerts to {where} are not delivered: {result.problem}. They are kept, and tried again."
            )
        self._refused += result.hopeless
        self._alone = self._alone or result.hopeless
        if self._refused >= HOPELESS_TRIES:
            self._outbox.given_up(self.target.name, batch)
            self._say(f"An alert to {where} was given up: {result.problem}, {self._refused} times.")
            self._failures, self._refused = 1, 0
            return 0.0
        pause = BACKOFF[min(self._failures, len(BACKOFF)) - 1] * random.uniform(0.8, 1.2)
        return max(pause, result.wait or 0.0)
