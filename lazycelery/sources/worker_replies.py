"""What workers answer to control commands, typed. Pure functions; a missing or odd field is `None`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lazycelery.model.reports import (
    ActiveQueue,
    Phase,
    TaskLimits,
    TaskReport,
    WorkerReport,
    WorkerStats,
)
from lazycelery.sources.jsontext import Unreadable, float_or_none, int_or_none, plain, text_or_none

POOLS = {
    "celery.concurrency.prefork": "prefork",
    "celery.concurrency.thread": "threads",
    "celery.concurrency.solo": "solo",
    "celery.concurrency.eventlet": "eventlet",
    "celery.concurrency.gevent": "gevent",
}
LIMITS = ("rate_limit", "time_limit", "soft_time_limit")
"""What `registered` is asked for beside the names."""
BROKER_FACTS = ("transport", "hostname", "port", "virtual_host", "heartbeat", "connect_timeout", "ssl")


def is_worker(name: str) -> bool:
    """False for beat, which answers `ping` and nothing else."""
    return not name.startswith("celerybeat@")


def error_of(value: Any) -> str | None:
    """The text of a reply {"error": …}, else `None`."""
    if isinstance(value, dict) and "error" in value and "ok" not in value:
        return str(value["error"])
    return None


def note(report: WorkerReport, method: str, value: Any) -> None:
    """Put one reply into the report of its worker."""
    error = error_of(value)
    if error is not None:
        report.errors[method] = error
    elif method == "ping":
        report.ping = True
    elif method in _READERS:
        field, read = _READERS[method]
        setattr(report, field, read(report.worker, value))
        if method == "registered" and report.registered is not None:
            none = TaskLimits()
            report.limits = {name: told for name, told in read_limits(value).items() if told != none}


def read_stats(worker: str, value: Any) -> WorkerStats | None:
    """`stats`; `rss` is the worker's peak: what rusage tells, kB on Linux."""
    if not isinstance(value, dict):
        return None
    pool = _table(value.get("pool"))
    processes = [pid for pid in map(int_or_none, _list(pool.get("processes"))) if pid is not None]
    maximum = int_or_none(pool.get("max-concurrency"))
    rss = int_or_none(_table(value.get("rusage")).get("maxrss"))
    return WorkerStats(
        worker=worker,
        pool=pool_name(pool.get("implementation")),
        concurrency=len(processes) or maximum,
        processes=processes,
        pid=int_or_none(value.get("pid")),
        uptime=float_or_none(value.get("uptime")),
        prefetch=int_or_none(value.get("prefetch_count")),
        rss=None if rss is None else rss * 1024,
        clock=int_or_none(value.get("clock")),
        totals=_totals(value.get("total")),
        autoscaler=_table(value.get("autoscaler")) or None,
        broker={key: fact for key, fact in _table(value.get("broker")).items() if key in BROKER_FACTS},
    )


def pool_name(implementation: Any) -> str | None:
    """ "prefork" of "celery.concurrency.prefork:TaskPool"; the class name of a pool we do not know."""
    if not isinstance(implementation, str) or not implementation:
        return None
    module, _, name = implementation.partition(":")
    return POOLS.get(module, name or module)


def read_tasks(worker: str, value: Any, phase: Phase, safe: bool = False) -> list[TaskReport] | None:
    """`active`, `reserved`; entries that are no tasks are left out."""
    if not isinstance(value, list):
        return None
    found = (read_task(worker, item, phase, safe=safe) for item in value)
    return [task for task in found if task is not None]


def read_scheduled(worker: str, value: Any) -> list[TaskReport] | None:
    """`scheduled`: [{"eta", "priority", "request"}]."""
    if not isinstance(value, list):
        return None
    found = []
    for item in map(_table, value):
        task = read_task(worker, item.get("request"), "scheduled")
        if task is not None:
            task.eta = text_or_none(item.get("eta"))
            task.priority = _first(int_or_none(item.get("priority")), task.priority)
            found.append(task)
    return found


def read_task(worker: str, value: Any, phase: Phase, safe: bool = False) -> TaskReport | None:
    """One task as `request.info()` tells it."""
    info = _table(value)
    task_id = text_or_none(info.get("id"))
    if task_id is None:
        return None
    delivery = _table(info.get("delivery_info"))
    args, kwargs, exact = _arguments(info)
    return TaskReport(
        id=task_id,
        phase=phase,
        worker=worker,
        name=text_or_none(info.get("name")) or text_or_none(info.get("type")),
        args=args,
        kwargs=kwargs,
        safe=safe or not exact,
        time_start=float_or_none(info.get("time_start")),
        acknowledged=_flag(info.get("acknowledged")),
        routing_key=text_or_none(delivery.get("routing_key")),
        exchange=text_or_none(delivery.get("exchange")),
        priority=int_or_none(delivery.get("priority")),
        redelivered=_flag(delivery.get("redelivered")),
        pid=int_or_none(info.get("worker_pid")),
    )


def read_query(worker: str, value: Any) -> list[TaskReport]:
    """`query_task`: {id: [state, info]}; tasks that are only "ready" (finished or unknown) are left out."""
    found = []
    for entry in _table(value).values():
        if isinstance(entry, list) and len(entry) == 2 and entry[0] in ("active", "reserved", "scheduled"):
            task = read_task(worker, entry[1], entry[0])
            if task is not None:
                found.append(task)
    return found


def read_queues(worker: str, value: Any) -> list[ActiveQueue] | None:
    """`active_queues`."""
    if not isinstance(value, list):
        return None
    found = []
    for item in map(_table, value):
        name = text_or_none(item.get("name"))
        arguments, exchange = _table(item.get("queue_arguments")), _table(item.get("exchange"))
        if name:
            found.append(
                ActiveQueue(
                    name=name,
                    type=text_or_none(arguments.get("x-queue-type")),
                    exchange=text_or_none(exchange.get("name")),
                    exchange_type=text_or_none(exchange.get("type")),
                    arguments=arguments or None,
                    routing_key=text_or_none(item.get("routing_key")),
                )
            )
    return found


def read_registered(worker: str, value: Any) -> list[str] | None:
    """`registered`: names, without the settings that some calls append in brackets."""
    if not isinstance(value, list):
        return None
    return [name.partition(" [")[0] for name in value if isinstance(name, str)]


def read_limits(value: Any) -> dict[str, TaskLimits]:
    """`registered` with `LIMITS`: ["shop.add [rate_limit=10/m time_limit=60]", …]."""
    return {name: limits for name, limits in map(_limits, _list(value)) if name}


def _limits(text: Any) -> tuple[str, TaskLimits]:
    name, _, told = text.partition(" [") if isinstance(text, str) else ("", "", "")
    facts = dict(part.partition("=")[::2] for part in told.rstrip("]").split())
    return name, TaskLimits(
        rate=facts.get("rate_limit"),
        soft=_number(facts.get("soft_time_limit")),
        hard=_number(facts.get("time_limit")),
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def read_limited(value: Any) -> list[str]:
    """`registered` asked for `rate_limit`: the names that have one, "shop.mail [rate_limit=20/s]"."""
    names = value if isinstance(value, list) else []
    parts = [name.partition(" [rate_limit=") for name in names if isinstance(name, str)]
    return [name for name, mark, _ in parts if mark]


def _conf(worker: str, value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


_READERS: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "stats": ("stats", read_stats),
    "active_queues": ("queues", read_queues),
    "registered": ("registered", read_registered),
    "conf": ("conf", _conf),
    "active": ("active", lambda worker, value: read_tasks(worker, value, "active", safe=True)),
    "reserved": ("reserved", lambda worker, value: read_tasks(worker, value, "reserved")),
    "scheduled": ("scheduled", read_scheduled),
}


def _arguments(info: dict[str, Any]) -> tuple[Any, Any, bool]:
    """Arguments, and whether they are what the worker holds, to the last digit."""
    try:
        args, kwargs = plain(info.get("args")), plain(info.get("kwargs"))
    except Unreadable:
        return None, None, False
    if args.exact and kwargs.exact:
        return args.value, kwargs.value, True
    return json.dumps(args.value), json.dumps(kwargs.value), False


def _totals(value: Any) -> dict[str, int]:
    counted = {name: int_or_none(count) for name, count in _table(value).items()}
    return {name: count for name, count in counted.items() if count is not None}


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
