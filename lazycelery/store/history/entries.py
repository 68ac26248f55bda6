"""What the history holds beside tasks, out of its rows: the same for files and a database."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lazycelery.model.recorded import RecordedEvent, RecordedFinding, RecordedSample
from lazycelery.store.filter.entries import EntryFilter

FINDING = "code, subject, severity, title, hint, began, ended"
SAMPLE = "at, queues, workers"
"""Columns of the tables, in the order in which they are read here."""
FINDINGS_AT_ONCE, SAMPLES_AT_ONCE = 500, 8
"""Rows read together: a sample of ten thousand workers is a megabyte."""


def moment(at: Any) -> float | None:
    """A time that was told; what is none makes no time."""
    return float(at) if isinstance(at, (int, float)) and at > 0 and math.isfinite(at) else None


def event_wanted(wanted: EntryFilter, event: RecordedEvent) -> bool:
    """Whether an event is asked for."""
    if not wanted.within(event.time):
        return False
    if not wanted.conditions:
        return True
    texts = {"id": event.id, "type": event.type, "name": event.name, "worker": event.worker}
    return wanted.holds(texts, lambda: _json(event.fields) if event.fields else "")


def findings(wanted: EntryFilter, rows: Sequence[Sequence[Any]]) -> list[RecordedFinding]:
    """Those of these rows (`FINDING`) that are asked for."""
    found = []
    for row in rows:
        code, subject, severity, title, hint = (_text(each) for each in row[:5])
        began, ended = moment(row[5]), moment(row[6])
        texts = {"code": code, "subject": subject, "severity": severity, "title": title}
        if wanted.overlaps(began, ended) and wanted.holds(texts, lambda hint=hint: hint):  # type: ignore[misc]
            found.append(
                RecordedFinding(
                    began=began,
                    ended=ended,
                    code=code,
                    subject=subject,
                    severity=severity,
                    title=title,
                    hint=hint,
                )
            )
    return found


def samples(wanted: EntryFilter, rows: Sequence[Sequence[Any]]) -> Iterator[list[RecordedSample]]:
    """Queues and workers of these rows (`SAMPLE`) that are asked for, a list a moment."""
    for at, queues, workers in rows:
        time = moment(at)
        if wanted.within(time):
            told = [*_queues(time, queues), *_workers(time, workers)]
            yield [one for one in told if not wanted.conditions or _sample_wanted(wanted, one)]


def _sample_wanted(wanted: EntryFilter, one: RecordedSample) -> bool:
    return wanted.holds({"queue": one.queue, "worker": one.worker, "state": one.state})


def _queues(time: float | None, told: Any) -> Iterator[RecordedSample]:
    for name, facts in _table(told).items():
        messages, unacked, consumers = _facts(facts, 3)
        yield RecordedSample(
            time=time,
            queue=name,
            messages=_whole(messages),
            unacked=_whole(unacked),
            consumers=_whole(consumers),
        )


def _workers(time: float | None, told: Any) -> Iterator[RecordedSample]:
    for name, facts in _table(told).items():
        state, active, processed, load = _facts(facts, 4)
        yield RecordedSample(
            time=time,
            worker=name,
            state=None if state is None else _text(state),
            active=_whole(active),
            processed=_whole(processed),
            load=float(load) if isinstance(load, (int, float)) and math.isfinite(load) else None,
        )


def _table(told: Any) -> Mapping[str, Any]:
    """A table that was written as JSON; what is none holds nothing. Raises `ValueError`."""
    found = json.loads(told) if isinstance(told, str) else {}
    return found if isinstance(found, dict) else {}


def _facts(told: Any, many: int) -> list[Any]:
    own = told[:many] if isinstance(told, list) else []
    return [*own, *[None] * (many - len(own))]


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
