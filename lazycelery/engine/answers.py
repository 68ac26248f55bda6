"""What is asked of an engine: each answer with its secrets taken out, unless they may be revealed."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from lazycelery.engine.parts import Parts
from lazycelery.engine.slices import after, in_slices
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.insight import verdict
from lazycelery.insight.doctor.queue_without_consumer import UNNAMED
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.beat import Beat
from lazycelery.model.cluster import LogPage
from lazycelery.model.completion import Completion
from lazycelery.model.faces import by_face
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.model.service import LogText
from lazycelery.model.statistics import BY_MINUTES, Kind, Statistics
from lazycelery.model.task import Task, TaskPage, TaskQuery
from lazycelery.model.verdict import Thing, Verdict
from lazycelery.model.worker import Pulse, WorkerDetail
from lazycelery.sources.control import LISTS
from lazycelery.sources.pulse import pulse
from lazycelery.store.filter import parse

PEEK_LIMIT = 1000
"""Messages a peek may ask for at once."""
FRESH = 3.0
"""Seconds for which a worker's lists need not be asked again."""


class Answers:
    """The views of one engine."""

    def __init__(self, parts: Parts) -> None:
        self._profile, self._clock, self._store = parts.profile, parts.clock, parts.store
        self._broker, self._control, self._services = parts.broker, parts.control, parts.services
        self._redactor, self._veil, self._may = parts.redactor, parts.veil, parts.guard.may
        self._lookup, self._memory, self._log = parts.lookup, parts.memory, parts.log
        self._dealing = parts.dealing
        self._recorded = parts.player is not None
        self._actions, self._examiner, self._beats = parts.actions, parts.examiner, parts.beats

    async def why(self, target: str, kind: Thing | None = None, fetch: bool = True) -> Verdict:
        """Where a task, queue or worker is and why it is not done."""
        if fetch:
            await self._examiner.fresh()
        seen = await (self._examiner.snapshots.now() if fetch else self._examiner.snapshots.recent())
        findings = self._examiner.last.findings
        worker = self._worker_meant(target, seen) if kind in (None, "worker") else None
        if worker is not None:
            return verdict.of_worker(worker, seen, findings)
        for queue in seen.queues if kind in (None, "queue") else ():
            if queue.name == target:
                return verdict.of_queue(queue, seen, findings)
        try:
            if kind not in (None, "task"):
                raise NothingFound(f"No {kind} is called {target}.")
            task = await self.task(target, fetch)
        except NothingFound:
            raise _never_seen(target, kind or "task, queue or worker", seen) from None
        if fetch:
            seen = await self._examiner.snapshots.now()
        return verdict.of_task(task, seen, findings)

    def _worker_meant(self, target: str, seen: Snapshot) -> WorkerFacts | None:
        """The worker of that name as it is now: the snapshot may be some seconds old."""
        now = self._clock()
        if (exact := self._store.roll.facts_of(target, now)) is not None:
            return exact
        for facts in seen.workers:
            if target in (facts.name.removeprefix("celery@"), facts.name.partition("@")[0]):
                return self._store.roll.facts_of(facts.name, now) or facts
        return None

    async def worker(self, name: str) -> WorkerDetail:
        """A worker with its lists, asked afresh when they are older than three seconds."""
        detail = self._store.worker(name, self._clock())
        if detail is None:
            raise NothingFound(f"No worker is called {name}.")
        if detail.worker.state != "offline" and (detail.at is None or self._clock() - detail.at > FRESH):
            await self._ask_worker(name)
            detail = self._store.worker(name, self._clock()) or detail
        return detail if self._may("reveal") else self._veil.worker(detail)

    async def _ask_worker(self, name: str) -> None:
        if self._recorded:
            return  # It has told all that it told.
        try:
            reports = await self._control.survey(
                destination=[name],
                what=LISTS,
                timeout=min(1.0, self._profile.timeout),
                clock=self._clock,
            )
        except LazyCeleryError:
            return  # The links tell; what was known is shown with its age.
        for report in reports:
            self._store.apply_worker(report)

    async def pulse(self, workers: list[str]) -> list[Pulse]:
        """How quickly workers answer now, with clock and memory."""
        names = self._actions.worker_names(workers)
        return await pulse(self._broker.mailbox, names, self._profile.timeout)

    async def worker_log(self, name: str, limit: int = 200) -> LogText:
        """The end of a worker's log, followed by the profile's command."""
        text = await self._services.log(self._services.full(name), limit)
        if not self._may("reveal"):
            text.lines = [self._redactor.text(line) for line in text.lines]
            text.command = self._redactor.text(text.command)
        return text

    async def remembered(self) -> None:
        """Before tasks are chosen: the recorded ones are there, and what is dealt with is known."""
        await self._memory.needed()
        if not self._profile.recorder:  # Who looks once has not been told yet.
            await self._dealing.known()

    async def tasks(self, query: TaskQuery) -> TaskPage:
        """A window on the tasks."""
        await self.remembered()
        page = await in_slices(self._store.query_steps(query, self._clock(), after(query.patience)))
        return page if self._may("reveal") else self._veil.page(page)

    async def task(self, id: str, fetch: bool = True) -> Task:
        """One task by id or unique prefix; with `fetch`, backend, workers and broker are asked too."""
        await self._memory.needed()
        full = self._lookup.resolve(id)
        if fetch:
            recalled = await self._memory.recall(full)
            await self._lookup.fetch(full)
            recalled()
        task = self._store.task(full, self._clock()) or await self._memory.task(full)
        if task is None:
            raise NothingFound(
                f"No task {id} is known.",
                "It may have ended before this monitor began, without a result in the backend.",
            )
        return task if self._may("reveal") else self._veil.task(task)

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages of a queue, next to run first, not consumed."""
        if offset < 0 or not 0 < limit <= PEEK_LIMIT:
            raise UsageError(f"A peek takes 1 to {PEEK_LIMIT} messages from offset 0 on.")
        page = await self._broker.queues.peek(queue, offset, limit, force)
        for message, stored in zip(page.messages, page.stored, strict=False):
            if message.id:
                self._store.raw.keep(message.id, stored)
        page.stored = []
        self._store.apply_messages(queue, page.messages, page.at, "waiting")
        return page if self._may("reveal") else self._veil.peek(page)

    async def log(self, after: int = -1, limit: int = 100, filter: str = "", full: bool = False) -> LogPage:
        """Events after a sequence number, oldest first."""
        return await in_slices(self._log_steps(after, limit, filter, full))

    def _log_steps(self, after: int, limit: int, filter: str, full: bool) -> Generator[None, None, LogPage]:
        """A filter on events is a filter on the tasks they speak of, as these are now."""

        def matching(ids: Iterable[str]) -> set[str]:
            return self._store.among(filter, ids, self._clock())

        wanted = matching if filter.strip() else None
        if wanted is not None:
            wanted(())  # A wrong filter is told, whatever is in the log.
            yield from self._store.ready(filter)
        return (yield from self._log.page(after, limit, full, wanted, self._may("reveal")))

    async def check_filter(self, text: str) -> str | None:
        """Why a filter is wrong, with its position and the nearest field, or `None`."""
        try:
            parse(text)
        except UsageError as problem:
            return str(problem)
        return None

    async def complete(self, text: str, cursor: int) -> list[Completion]:
        """What may stand at a place of a filter."""
        path = text[:cursor].rpartition(" ")[2].partition(":")[0]
        if not self._may("reveal") and any(map(self._redactor.secret, path.split("."))):
            return []
        return self._store.complete(text, cursor)

    async def message(self, id: str) -> Message:
        """A task's true message, while it is held somewhere, or as it was seen before."""
        message = await self._lookup.message(id)
        return message if self._may("reveal") else self._veil.message(message)

    async def statistics(self, kind: Kind = "task", window: float = 3600.0) -> Statistics:
        """Counts, shares and quantiles by task name, worker or queue."""
        if window <= 0:
            raise UsageError("A window of time is longer than nothing.")
        await self._memory.figures_read()
        found = await in_slices(self._store.statistics_steps(kind, window, self._clock()))
        if self._memory.status.state != "writing" and window > BY_MINUTES:
            found.recorded_until = self._memory.figures_until
        return found

    async def beat(self) -> Beat:
        """What beat sends and when."""
        beat = await self._beats.read()
        return beat if self._may("reveal") else self._veil.beat(beat)

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """Tasks out of the recorded history, newest first."""
        page = await self._memory.ask(query)
        if not self._may("reveal"):
            self._veil.tasks(page.tasks)
        return page

    async def recorded(self, query: RecordedQuery) -> RecordedPage:
        """Events, findings or samples of the recorded history, newest first."""
        page = await self._memory.recorded(query)
        if not self._may("reveal"):
            self._veil.recorded(page.entries)
        return page


def _never_seen(target: str, kind: str, seen: Snapshot) -> NothingFound:
    """Nobody told of it; while the broker does not answer that says little, and so without all names."""
    if not seen.connected:
        why = seen.source("broker").reason or "the broker does not answer yet"
        told = f"Not connected: {why.rstrip('.')}. {target} was not seen before."
        return NothingFound(told, seen.source("broker").hint or "")
    hint = (
        "A task that ended before this monitor began is known only from the result backend, until its result "
        "expires there (result_expires)." + by_face(" --observe 10 watches for a while.", "")
        if not seen.replay
        else "This is a recording: what nobody told of while it was made is not in it."
    )
    if seen.broker is not None and not seen.broker.tells_queues:
        hint = f"{hint} {UNNAMED}"
    return NothingFound(f"Never seen: {target} is no {kind} that anybody told of.", hint)
