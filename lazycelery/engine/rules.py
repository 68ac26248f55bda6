"""Rules at work: failures come in by events, decisions go out through the actions, as a person's would.

One process evaluates the rules of a cluster (`rule_turn`). A retry is noted before it is sent; after a crash
the audit log tells whether it was. Where nobody knows, it is left. Its id follows from the task's: whoever
sends it looks for that id first, so that one that lost its turn unawares doubles nothing that is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from lazycelery.actions.audit import AuditLog, whoami
from lazycelery.actions.files import make_private_directory, state_directory
from lazycelery.actions.service import Actions
from lazycelery.actions.shared_file import name_of_cluster
from lazycelery.engine.rule_book import RuleBook
from lazycelery.engine.rule_log import is_aside, retried
from lazycelery.engine.rule_turn import NO_LEASE, Turn
from lazycelery.errors import LazyCeleryError
from lazycelery.insight.rules import Breaker, Failures, fitting, pause
from lazycelery.model.action import AuditEntry, Order, Plan
from lazycelery.model.counting import count
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.rule import Rule, Run
from lazycelery.sources.protocols.queues import QueueOps
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)

EVERY = 0.5
MOST_HEARD = 10_000
AT_ONCE = 20
"""Decisions of one round."""
TAKE_OVER = 5.0
PARTING = 0.5
"""Seconds to let the broker know that it is another one's turn."""
RETRIES = uuid.UUID("6f0d3c0e-5f0b-4f57-9a43-2f1c5f8d7b10")
FORGET_EVERY = 3600.0
ENDED = {"task-failed": False, "task-succeeded": True}


def directory(profile: Profile) -> Path:
    """Where the rule book of a cluster is: the same for all profiles of it."""
    return state_directory() / "rules" / name_of_cluster(profile)


class Rules:
    """`heard` gets all events; `run` decides, until it is cancelled."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        actions: Actions,
        audit: AuditLog,
        redactor: Redactor,
        clock: Callable[[], float],
        say: Callable[[str], None],
        queues: QueueOps,
    ) -> None:
        self._profile, self._store, self._actions, self._audit = profile, store, actions, audit
        self._redactor, self._clock, self._say = redactor, clock, say
        self._rules = {rule.name: rule for rule in profile.rules}
        self._heard: deque[tuple[str, bool]] = deque(maxlen=MOST_HEARD)
        self._lost = 0
        self._failures, self._breaker = Failures(), Breaker()
        self._turn = Turn(profile, queues, directory(profile), clock)
        self._book: RuleBook | None = None
        self._stopped: set[str] = set()
        self._told_other = ""
        self._set_by = 0.0
        """Seconds by which our clock was set, and the book does not know."""
        self._ahead: deque[tuple[float, float]] = deque(maxlen=100)
        """When it was set ahead, and by how much."""

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._failures.clock_set(by)
        self._breaker.clock_set(by)
        self._set_by += by if self._book is not None else 0.0
        if by > 0:
            self._ahead.append((self._clock(), by))

    def heard(self, events: list[Event]) -> None:
        """Events that the store has taken in; costs an append where there is something to decide."""
        for event in events:
            good = ENDED.get(event.type)
            if good is not None and event.uuid:
                self._lost += len(self._heard) == MOST_HEARD
                self._heard.append((event.uuid, good))

    async def run(self) -> None:
        """Decide until cancelled. What goes wrong is said and ends nothing."""
        forgotten = self._clock()
        while True:
            await asyncio.sleep(EVERY)
            try:
                if self._book is not None and not await self._turn.still():
                    await self._lost_turn()
                if self._book is None and not await self._begun():
                    await asyncio.sleep(TAKE_OVER)
                    continue
                await self._round()
                due = self._clock() - forgotten > FORGET_EVERY and not self._set_by
                if due and self._book is not None:
                    forgotten = self._clock()
                    if gone := await asyncio.to_thread(self._pages.forget, forgotten):
                        self._say(
                            f"{count(gone, 'due task', does='are')} forgotten, the oldest: too many wait."
                        )
            except (OSError, sqlite3.Error) as problem:
                logger.warning("rules: %s", problem)
                await asyncio.sleep(TAKE_OVER)
            except Exception:
                logger.exception("rules")
                await asyncio.sleep(TAKE_OVER)

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Nothing more is decided, and what was begun is finished: the turn is kept so long."""
        return self._turn.kept()

    async def close(self) -> None:
        """Let another process go on."""
        if self._book is not None:
            with contextlib.suppress(sqlite3.Error):
                self._book.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._turn.give_back(), PARTING)

    async def _lost_turn(self) -> None:
        """Nothing more is decided here; what is due stays in the book."""
        book, self._book = self._pages, None
        self._heard.clear()
        await asyncio.to_thread(book.close)
        self._told_other = self._turn.why
        self._say(f"The turn to evaluate the rules of this cluster is lost: {self._turn.why}.")

    async def _begun(self) -> bool:
        await asyncio.to_thread(make_private_directory, directory(self._profile))
        if not await self._turn.take():
            self._heard.clear()
            if self._told_other != self._turn.why:
                self._told_other = self._turn.why
                self._say(f"The rules of this cluster are {self._turn.why}; this one evaluates none.")
            return False
        book = await asyncio.to_thread(RuleBook, directory(self._profile) / "rules.sqlite3")
        self._book = book
        for run in await asyncio.to_thread(book.interrupted):
            await self._take_up(run)
        self._told_other = ""
        if not self._turn.apart:
            self._say(f"Let one machine alone evaluate these rules: {NO_LEASE}.")
        dry = [rule.name for rule in self._rules.values() if not rule.apply]
        self._say(
            f"{count(len(self._rules), 'rule')}; dry runs, which only tell: {', '.join(dry) or 'none'}."
        )
        return True

    async def _take_up(self, run: Run) -> None:
        """A run that was under way when the process ended: the audit log knows how far it came."""
        began, new, done = await asyncio.to_thread(retried, self._audit, run, [*self._ahead])
        if await asyncio.to_thread(is_aside, self._audit, run, [*self._ahead]):
            await self._end(run, "aside", "before the process ended, as the audit log tells")
        elif new is not None:
            run.last, run.tries = new, run.tries + 1
            await self._end(run, "retried", "before the process ended, as the audit log tells")
        elif began and not done:
            await self._end(run, "doubt", "it was being retried when the process ended: look before you do")
        else:
            run.state = "due"
            await asyncio.to_thread(self._pages.put, run)

    @property
    def _pages(self) -> RuleBook:
        assert self._book is not None
        return self._book

    async def _round(self) -> None:
        await self._redate()
        stopped = await asyncio.to_thread(self._pages.stopped)
        for name in self._stopped - set(stopped):  # Somebody reset it.
            self._breaker.forget(name)
            self._say(f"Rule {name} goes on.")
        self._stopped = set(stopped)
        if self._lost:
            self._say(f"{self._lost} ends of tasks came faster than rules could look at them.")
            self._lost = 0
        for _ in range(len(self._heard)):  # What comes meanwhile waits: what is due has its turn too.
            if not await self._turn.still():
                return  # Very many take longer than the turn lasts unasked.
            task, good = self._heard.popleft()
            await (self._succeeded(task) if good else self._failed(task))
        for run in await asyncio.to_thread(self._pages.due, self._clock(), AT_ONCE):
            if run.rule not in self._stopped:
                await self._decide(run)

    async def _redate(self) -> None:
        """Tell the book by how much our clock was set; what it does not take now it is told again."""
        if by := self._set_by:
            await asyncio.to_thread(self._pages.clock_set, by)
            self._set_by -= by

    # ---- what happened

    async def _succeeded(self, id: str) -> None:
        run = await asyncio.to_thread(self._pages.of, id)
        if run is not None and run.state in ("retried", "doubt") and run.last == id and run.root != id:
            run.state = "mended"
            await asyncio.to_thread(self._pages.put, run)
            self._breaker.mended(run.rule)

    async def _failed(self, id: str) -> None:
        now, task = self._clock(), self._store.task(id, self._clock())
        await self._redate()  # Before anything is written that is dated by a clock just set.
        name, error = (task.name, task.error) if task is not None else (None, None)
        known = await asyncio.to_thread(self._pages.of, id)
        again = (
            known is not None
            and known.last == id
            and known.state in ("retried", "doubt")
            and known.root != id
        )
        if known is not None and not again:
            return  # Told twice.
        rule = fitting(list(self._rules.values()), name or "", error or "")
        if (
            known is not None
            and known.rule in self._rules
            and (why := self._breaker.failed_again(self._rules[known.rule]))
        ):
            await self._stop(self._rules[known.rule], why)
        if rule is None or name is None:
            if known is not None:
                known.state = "left"
                await asyncio.to_thread(self._pages.put, known)
            return
        run = known or Run(root=id, last=id, rule=rule.name, name=name, error="", at=now)
        run.rule, run.at, run.error = rule.name, now, self._redactor.text(error or "")[:200]
        enough = self._failures.note(rule, name, now)
        run.state = "due" if enough or known is not None else "waiting"
        run.due = now + pause(rule, run.tries) if run.tries < rule.retries else now
        await asyncio.to_thread(self._pages.put, run)
        if enough:
            for other in await asyncio.to_thread(self._pages.waiting, rule.name, name, now - rule.within):
                other.state, other.due = "due", now + pause(rule, other.tries)
                await asyncio.to_thread(self._pages.put, other)

    # ---- what is done

    async def _decide(self, run: Run) -> None:
        rule = self._rules.get(run.rule)
        if rule is None:
            await self._end(run, "left", "its rule is in no configuration any more")
            return
        if why := await self._by_hand(run):
            await self._end(run, "left", why)
            return
        if why := self._breaker.decides(rule, self._clock()):
            await self._stop(rule, why)
            return
        retry = run.tries < rule.retries
        if not retry and not rule.aside:
            await self._end(run, "left", f"{run.tries} retries failed")
            return
        order = (
            Order(action="retry", targets=[run.last], params={"new_id": new_id(run.last)})
            if retry
            else Order(action="export", targets=[run.last], params={"tasks": True})
        )
        try:
            plan = await self._actions.plan(order)
        except LazyCeleryError as problem:
            await self._end(run, "left", problem.title)
            return
        allowed = self._actions.guard.may(plan.action)
        refused = plan.refused if allowed or rule.apply else _of_all(plan)
        if refused:
            await self._end(run, "left", f"{refused.rstrip('.')}. {plan.hint}".strip())
            return
        what = plan.title[:1].lower() + plan.title[1:]
        if not rule.apply:
            needs = "" if allowed else f'; it would need allow = ["{plan.action}"]'
            await self._end(run, "told", f"would {what} (dry run{needs})")
            return
        await self._act(rule, run, plan.id, plan.word, what, retry)

    async def _by_hand(self, run: Run) -> str:
        """What a person did about it since it failed: nothing is done twice. Empty when nobody did."""
        for one in dict.fromkeys((run.last, run.root)):
            task = self._store.task(one, self._clock())
            if task is not None and task.dealt is not None:
                return f"{task.dealt.by} has dealt with it"
        try:
            began, new, nothing = await asyncio.to_thread(retried, self._audit, run, [*self._ahead])
        except LazyCeleryError:  # A log that cannot be read cannot be written either: nothing is done then.
            return ""
        if new is not None:
            return f"it was retried meanwhile, as {new[:8]}"
        return "another session began to retry it" if began and not nothing else ""

    async def _act(
        self, rule: Rule, run: Run, plan_id: str, word: str | None, what: str, retry: bool
    ) -> None:
        if retry and (where := await self._actions.seen(new_id(run.last))):
            await self._sent_elsewhere(run, where)
            return
        if not await self._turn.still(at_once=True):
            return  # It stays due.
        run.state = "trying"
        await asyncio.to_thread(self._pages.put, run)
        try:
            outcome = await self._actions.act(plan_id, word)
        except LazyCeleryError as problem:
            if problem.nothing_done:
                run.state, run.due = "due", self._clock() + max(5.0, rule.backoff)
                await asyncio.to_thread(self._pages.put, run)
                await self._decided(run, "postponed", problem.title)
            else:
                await self._end(run, "doubt" if retry else "left", problem.title)
            return
        if not retry:
            await self._end(run, "aside" if outcome.done else "left", outcome.proof)
            return
        new = next((item.new_id for item in outcome.items if item.new_id), None)
        if new is None:
            await self._end(run, "left", outcome.proof)
            return
        run.last, run.tries = new, run.tries + 1
        count = f"{run.tries} of {rule.retries}"
        await self._end(run, "retried" if outcome.done else "doubt", f"{what} ({count}): {outcome.proof}")

    async def _sent_elsewhere(self, run: Run, where: str) -> None:
        run.last, run.tries = new_id(run.last), run.tries + 1
        await self._end(run, "retried", f"another one evaluated it: its retry {run.last[:8]} is {where}")

    async def _end(self, run: Run, state: str, why: str) -> None:
        run.state = state  # type: ignore[assignment]
        await asyncio.to_thread(self._pages.put, run)
        await self._decided(run, state, why)

    async def _stop(self, rule: Rule, why: str) -> None:
        """The breaker: what is due stays due, and nothing is done until somebody resets the rule."""
        if rule.name in self._stopped:
            return
        self._stopped.add(rule.name)
        await asyncio.to_thread(self._pages.stop, rule.name, self._clock(), why)
        self._say(
            f"Rule {rule.name} stopped itself: {why}. `lazycelery rules reset {rule.name}` lets it go on."
        )
        await self._log(rule.name, "stopped", why, [])

    async def _decided(self, run: Run, what: str, why: str) -> None:
        self._say(f"Rule {run.rule}: {run.name} {run.root[:8]} {what}: {why}")
        await self._log(run.rule, what, why, [run.root])

    async def _log(self, rule: str, outcome: str, why: str, targets: list[str]) -> None:
        user, host, origin = whoami()
        entry = AuditEntry(
            time=self._clock(),
            user=user,
            host=host,
            origin=origin,
            profile=self._profile.name,
            broker=self._redactor.url(self._profile.broker),
            action="rule",
            title=f"Rule {rule}: {outcome}",
            targets=targets,
            plan={"rule": rule},
            outcome=outcome,
            ok=outcome not in ("stopped", "doubt"),
            proof=self._redactor.text(why),
        )
        with contextlib.suppress(
            LazyCeleryError
        ):  # The action's own lines were refused then, and it with them.
            await asyncio.to_thread(self._audit.append, entry)


def new_id(task: str) -> str:
    """The id under which rules retry a task, the same on all machines."""
    return str(uuid.uuid5(RETRIES, task))


def _of_all(plan: Plan) -> str | None:
    """Why none of a plan's targets can be done, whatever is permitted."""
    if all(item.refused for item in plan.items):
        return next((item.refused for item in plan.items), plan.refused)
    return None
