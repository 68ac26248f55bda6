"""What a face may ask of an engine. The same in one process and over a pipe.

`Engine` (in this process) and `EngineClient` (another process) both are an `EngineApi`; one contract
test runs against the two. Everything that comes out is redacted (unless `reveal`), and none of it is
safe for a terminal before `lazycelery.model.text.clean`.
"""

from __future__ import annotations

from typing import Literal, Protocol

from lazycelery.model.action import AuditEntry, Order, Outcome, Plan
from lazycelery.model.alert import TurnPage
from lazycelery.model.beat import Beat
from lazycelery.model.bulk import Bulk, Progress
from lazycelery.model.cluster import LogPage, Overview, Tick
from lazycelery.model.completion import Completion
from lazycelery.model.faults import ErrorDetail, ErrorPage, ErrorQuery, HeatBy, HeatMap, Mark
from lazycelery.model.finding import Examination, FindingMark
from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.metrics import Metrics
from lazycelery.model.queue import Queue
from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.service import LogText
from lazycelery.model.sla import Objective
from lazycelery.model.statistics import Comparison, Kind, Statistics
from lazycelery.model.task import Task, TaskPage, TaskQuery
from lazycelery.model.verdict import Thing, Verdict
from lazycelery.model.worker import Pulse, Worker, WorkerDetail


class EngineApi(Protocol):
    """The engine's interface. Every method may raise `LazyCeleryError`, nothing else."""

    async def tick(self, seen: int = -1, timeout: float = 10.0) -> Tick:
        """Wait until something changed since `Tick.stamp == seen`, at most `timeout` seconds."""

    async def overview(self) -> Overview:
        """Header, badges, counts, health of the sources."""

    async def ready(self, timeout: float = 5.0, observe: float = 0.0) -> Overview:
        """Wait until first truth is there (connected, control answered, queues probed), and then for
        `observe` seconds of events. For one-shot faces.

        Raises `ConnectionProblem` when the broker refuses or cannot be reached in time."""

    async def doctor(self) -> Examination:
        """An examination now: findings with evidence and cure, what was looked for, what could not be."""

    async def mark_finding(
        self,
        code: str,
        subject: str = "",
        kind: Literal["ack", "snooze", "clear"] = "ack",
        seconds: float | None = None,
        note: str = "",
    ) -> FindingMark:
        """Acknowledge or snooze a finding for `seconds` (`None`: until it is gone or worse), or take that
        back; in the audit log, for all sessions of this machine. Returns the mark that was put or taken.

        Raises `NothingFound`, `UsageError` when several are meant, `Refused` when it cannot be kept."""

    async def turns(self, after: int = -1, timeout: float = 10.0, settle: bool = False) -> TurnPage:
        """Findings that are new, worse, back or gone since a turn's number; waits for one at most `timeout`
        seconds. With `settle` it waits instead until the last examination was looked at and alerts that are
        due were tried. Raises `NothingFound` where the profile does not say `alerting`."""

    async def why(self, target: str, kind: Thing | None = None, fetch: bool = True) -> Verdict:
        """Where a task (id or its beginning), queue or worker is and why it is not done.

        With `kind` only one of these is meant; without `fetch` the answer is made from what is known, for
        a face that asks again and again. Raises `NothingFound` for what nobody has seen."""

    async def workers(self) -> list[Worker]:
        """All known workers, by name."""

    async def worker(self, name: str) -> WorkerDetail:
        """A worker with its lists, asked afresh when they are older than three seconds."""

    async def pulse(self, workers: list[str]) -> list[Pulse]:
        """How quickly workers answer now, with clock and memory; without names, all that are online.
        Raises `NothingFound` for an unknown name."""

    async def worker_log(self, name: str, limit: int = 200) -> LogText:
        """The last lines of a worker's log, followed by the profile's command for as long as it is asked
        for. Raises `Refused` where the profile has none."""

    async def queues(self) -> list[Queue]:
        """All known queues, by name."""

    async def tasks(self, query: TaskQuery) -> TaskPage:
        """A window on the tasks. Raises `UsageError` with the position for a wrong filter."""

    async def task(self, id: str, fetch: bool = True) -> Task:
        """One task by id or unique prefix of at least 4 characters; with `fetch`, result backend and
        broker are asked as well. Raises `NothingFound`."""

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages of a queue, next to run first, not consumed.

        Raises `Refused` where a look disturbs the queue (RabbitMQ), unless `force` says to look."""

    async def log(self, after: int = -1, limit: int = 100, filter: str = "", full: bool = False) -> LogPage:
        """Events after a sequence number, oldest first; `after` -1 means the newest `limit`."""

    async def check_filter(self, text: str) -> str | None:
        """Why a filter is wrong, with its position and the nearest field, or `None`."""

    async def complete(self, text: str, cursor: int) -> list[Completion]:
        """What may stand at a place of a filter: fields, values that were seen, paths into arguments."""

    async def message(self, id: str) -> Message:
        """A task's true message, while it waits or is held unacknowledged, or was seen before.
        Raises `NothingFound` with what else may tell."""

    async def replay(self, do: Turn, amount: float = 0.0) -> Reel:
        """Turn a recording that plays: `pause` and go on, `speed` times its own pace, `jump` to a moment
        (epoch seconds), `step` to what was said next. `Reel.reopen` is the broker URL for a moment that is
        over, or was played before. Raises `Refused` for a cluster that lives."""

    async def metrics(self) -> Metrics:
        """Rates, times and levels of the last minutes and hours."""

    async def statistics(self, kind: Kind = "task", window: float = 3600.0) -> Statistics:
        """Counts, shares and quantiles by task name, worker or queue over the last `window` seconds."""

    async def compared(self, kind: Kind = "task", window: float = 3600.0) -> Comparison:
        """The same of the last `window` seconds, a minute to an hour, against an hour, a day and a week
        ago. Days ago are whole hours; what nobody watched is told with the setting that keeps it."""

    async def sla(self) -> list[Objective]:
        """How the profile's targets are kept: budgets, and how fast they burn."""

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """Tasks out of the recorded history, newest first, without asking the cluster.

        Raises `UsageError` for a wrong filter, `NothingFound` when no history is kept."""

    async def recorded(self, query: RecordedQuery) -> RecordedPage:
        """Events, findings or samples of the recorded history, newest first, read as they are asked for.

        Raises as `history`, and `NothingFound` for a page that follows too late: a few questions are kept."""

    async def beat(self) -> Beat:
        """What beat sends and when: the workers' settings, and a scheduler's own store.

        Raises `UsageError` when the profile names a store that is none."""

    async def errors(self, query: ErrorQuery) -> ErrorPage:
        """Failures that are known, in groups that are the same but for ids, numbers and names. Raises
        `UsageError` for a wrong filter, `NothingFound` for an unknown mark."""

    async def error_group(self, id: str, filter: str = "") -> ErrorDetail:
        """One group by its id or the beginning of it, and what its tasks have in common. Raises
        `NothingFound`."""

    async def heat(self, by: HeatBy = "worker", filter: str = "", since: str = "") -> HeatMap:
        """Failures by task name and worker or hour, and how many ended there since that moment."""

    async def mark(self, name: str) -> Mark:
        """Set a mark now, for all sessions: errors that come first after it count as new. Raises
        `LazyCeleryError` where it cannot be written."""

    async def plan(self, order: Order) -> Plan:
        """What would be done, to what, at which grade. Touches nothing."""

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        """Carry out a plan that a person has confirmed; `word` is what was typed at level `typed`.

        Raises `Refused` when it may not be done any more."""

    async def deal(
        self, targets: list[str], filter: str | None = None, note: str = "", undo: bool = False
    ) -> list[str]:
        """Mark failed tasks as dealt with, or (`undo`) not: by id, its beginning, or all that match a filter.
        A note on this machine; nothing is sent, so it needs no permission. Returns the ids.

        Raises `NothingFound`, and `UsageError` for one that has not failed."""

    async def progress(self) -> list[Progress]:
        """How far those actions are that go page by page and run now, in this engine."""

    async def halt(self, plan_id: str) -> bool:
        """Let such an action stop after the page that is under way; what is left stays in its plan file.
        Returns whether it runs."""

    async def bulks(self, everywhere: bool = False) -> list[Bulk]:
        """Plan files of bulk actions on this broker (or any), newest first, without their targets."""

    async def bulk(self, id: str) -> Bulk:
        """One plan file, by its id or the beginning of it, with its targets. Raises `NothingFound`."""

    async def discard(self, id: str) -> Bulk:
        """Remove a plan file: what is left in it is not done any more. Raises `NothingFound`, and `Refused`
        while it is being carried out."""

    async def audit(self, limit: int = 100, filter: str = "") -> list[AuditEntry]:
        """The audit log, newest first."""

    async def unlock(self, permissions: list[str]) -> Overview:
        """Open permissions for this session. Raises `Refused` when the profile does not permit."""

    async def lock(self) -> Overview:
        """Back to read-only."""

    async def refresh(self) -> None:
        """Ask control and broker again now."""

    async def close(self) -> None:
        """Stop. Events that this session switched on are switched off again."""
