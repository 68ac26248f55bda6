"""Rows of Celery's own result table, and of django-celery-results', as reports. Pure functions."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from lazycelery.model.moments import epoch
from lazycelery.model.reports import ResultReport
from lazycelery.sources.jsontext import int_or_none, text_or_none
from lazycelery.sources.results.documents import children
from lazycelery.sources.results.values import Value, read_value

SIZE = "_size"
"""Ending of the column that tells a large column's whole length."""


class Table(NamedTuple):
    """Which columns are read of one kind of table."""

    name: str
    small: tuple[str, ...]
    large: tuple[str, ...]
    """Read up to a limit, with their whole length beside."""


CELERY = Table(
    "celery_taskmeta",
    ("id", "task_id", "status", "date_done", "name", "worker", "retries", "queue"),
    ("result", "traceback", "children", "args", "kwargs"),
)
DJANGO = Table(
    "django_celery_results_taskresult",
    ("id", "task_id", "status", "date_done", "task_name", "worker", "content_encoding"),
    ("result", "traceback", "meta", "task_args", "task_kwargs"),
)


def read_row(table: Table, row: Mapping[str, Any]) -> ResultReport | None:
    """A row as a report; `None` when it is none. Never raises."""
    task_id, status = text_or_none(row.get("task_id")), text_or_none(row.get("status"))
    if not task_id or not status:
        return None
    result = _value(row, "result")
    report = ResultReport(
        id=task_id,
        status=status,
        result=result.value,
        traceback=text_or_none(row.get("traceback")),
        date_done=moment(row.get("date_done")),
        worker=text_or_none(row.get("worker")),
        size=int(row.get("result" + SIZE) or 0),
        cut=result.cut,
    )
    if table is DJANGO:
        meta = _value(row, "meta").value
        report.name = text_or_none(row.get("task_name"))
        if isinstance(meta, dict):
            report.children = children(meta.get("children"))
            report.parent_id, report.group_id = (
                text_or_none(meta.get(key)) for key in ("parent_id", "group_id")
            )
        return report
    report.name, report.queue = text_or_none(row.get("name")), text_or_none(row.get("queue"))
    report.retries = int_or_none(row.get("retries"))
    report.children = children(_value(row, "children").value)
    args, kwargs = _value(row, "args"), _value(row, "kwargs")
    # Arguments are good for another run only when they are exact.
    if args.exact and kwargs.exact and isinstance(args.value, list) and isinstance(kwargs.value, dict):
        report.args, report.kwargs = args.value, kwargs.value
    return report


def _value(row: Mapping[str, Any], column: str) -> Value:
    raw = row.get(column)
    if row.get("content_encoding") == "binary" and isinstance(raw, str):
        with contextlib.suppress(binascii.Error, ValueError):
            raw = base64.b64decode(raw)
    return read_value(raw, row.get(column + SIZE))


def moment(value: Any) -> float | None:
    """Epoch seconds of what a driver gives for a time; UTC where it names no zone."""
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
        except (ValueError, OverflowError):
            return None
    return epoch(value)
