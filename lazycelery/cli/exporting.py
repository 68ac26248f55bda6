"""Tasks, or entries of the history or the audit log, into a file or a pipe: JSON, NDJSON, CSV, Parquet."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Protocol

from lazycelery.cli.newfile import new_file
from lazycelery.cli.output import to_json, to_line
from lazycelery.errors import UsageError
from lazycelery.model.text import clean

ENDINGS = {".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Shape:
    """The columns of CSV and Parquet."""

    fields: tuple[str, ...]
    floats: frozenset[str]
    whole: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    """Values of any kind: what is text already stays as it is, the rest is written as JSON."""

    def row(self, one: Any) -> list[Any]:
        """One of them, flat."""
        row = list(attrgetter(*self.fields)(one))
        for name in self.texts:
            value = getattr(one, name)
            if value is not None and not isinstance(value, str):
                text = json.dumps(json.loads(to_json(value)), ensure_ascii=False)
                row[self.fields.index(name)] = text
        return row


TASKS = Shape(
    (
        *("id", "name", "state", "worker", "queue", "sent", "received", "started", "finished"),
        *("runtime", "wait", "retries", "eta", "expires", "args", "kwargs", "result", "error", "traceback"),
        *("root_id", "parent_id", "group_id", "priority"),
    ),
    floats=frozenset({"sent", "received", "started", "finished", "runtime", "wait"}),
    whole=frozenset({"retries", "priority"}),
    texts=frozenset({"args", "kwargs", "result"}),
)
ENTRIES = Shape(
    (
        *("time", "user", "host", "origin", "profile", "broker", "action", "title", "targets"),
        *("outcome", "ok", "proof", "backup", "plan"),
    ),
    floats=frozenset({"time"}),
    texts=frozenset({"targets", "ok", "plan"}),
)
EVENTS = Shape(
    ("time", "received", "type", "id", "name", "worker", "fields"),
    floats=frozenset({"time", "received"}),
    texts=frozenset({"fields"}),
)
FINDINGS = Shape(
    ("began", "ended", "code", "subject", "severity", "title", "hint"), floats=frozenset({"began", "ended"})
)
SAMPLES = Shape(
    (
        *("time", "queue", "worker", "messages", "unacked", "consumers"),
        *("state", "active", "processed", "load"),
    ),
    floats=frozenset({"time", "load"}),
    whole=frozenset({"messages", "unacked", "consumers", "active", "processed"}),
)
"""Of what the history holds beside tasks."""
BATCH = 5_000


class Sink(Protocol):
    """Where they go."""

    count: int

    def add(self, one: Any) -> None:
        """One more."""

    def end(self) -> None:
        """All of them were added."""


def format_of(form: str | None, target: Path | None, as_json: bool) -> str:
    """The format that was asked for. Raises `UsageError` where nothing tells it."""
    if form is None and target is not None:
        form = ENDINGS.get(target.suffix.lower())
        if form is None:
            raise UsageError(
                f"Nothing tells the format of {target.name}.",
                f"End its name with {', '.join(ENDINGS)}, or give --format.",
            )
    form = form or ("json" if as_json else "table")
    if form == "table" and target is not None:
        raise UsageError("A table is for people; a file takes json, ndjson, csv or parquet.")
    if form == "parquet":
        if target is None:
            raise UsageError("Parquet goes to a file.", "Give --export FILE.")
        _pyarrow()
    return form


@contextlib.contextmanager
def sink(form: str, target: Path | None, shape: Shape = TASKS) -> Iterator[Sink]:
    """A place for what has this shape. A file appears whole or not at all, and never over another. Raises
    `UsageError`."""
    if target is None:
        sys.stdout.flush()
        one = _SINKS[form](sys.stdout, shape)
        yield one
        one.end()
        sys.stdout.flush()
        return
    with new_file(target) as file:
        one = _SINKS[form](file, shape)
        yield one
        one.end()


class _Ndjson:
    def __init__(self, file: IO[str], shape: Shape) -> None:
        self.count, self._file = 0, file

    def add(self, one: Any) -> None:
        self._file.write(to_line(one) + "\n")
        self.count += 1

    def end(self) -> None:
        pass


class _Json:
    """One value on one line; on a terminal a line for each."""

    def __init__(self, file: IO[str], shape: Shape) -> None:
        self.count, self._file = 0, file
        self._break = "\n" if file.isatty() else ""

    def add(self, one: Any) -> None:
        self._file.write(("," if self.count else "[") + to_line(one) + self._break)
        self.count += 1

    def end(self) -> None:
        self._file.write("]\n" if self.count else "[]\n")


_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet takes for a formula: also with the wide forms of the signs, and behind
the breaks that it takes away."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


def cell(value: Any) -> Any:
    """A value as a cell of CSV: a text that a spreadsheet would run is marked by `'`, as such programs do."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _shown(value: Any) -> Any:
    return clean(cell(value)) if isinstance(value, str) else value


class _Csv:
    """For a spreadsheet; on a terminal as harmless as a table."""

    def __init__(self, file: IO[str], shape: Shape) -> None:
        self.count, self._csv, self._shape = 0, csv.writer(file), shape
        self._harmless = _shown if file.isatty() else cell
        self._csv.writerow(shape.fields)

    def add(self, one: Any) -> None:
        self._csv.writerow(map(self._harmless, self._shape.row(one)))
        self.count += 1

    def end(self) -> None:
        pass


class _Parquet:
    """By pyarrow, in row groups."""

    def __init__(self, file: IO[str], shape: Shape) -> None:
        arrow, parquet = _pyarrow()
        kinds = [
            (
                name,
                arrow.float64()
                if name in shape.floats
                else arrow.int64()
                if name in shape.whole
                else arrow.string(),
            )
            for name in shape.fields
        ]
        self.count, self._arrow, self._shape, self._schema = 0, arrow, shape, arrow.schema(kinds)
        self._writer = parquet.ParquetWriter(file.buffer, self._schema)  # type: ignore[attr-defined]
        self._rows: list[list[Any]] = []

    def add(self, one: Any) -> None:
        self._rows.append(self._shape.row(one))
        self.count += 1
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._shape.fields)
        arrays = [
            self._arrow.array(column, type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    def end(self) -> None:
        self._flush()
        self._writer.close()


_SINKS: dict[str, Any] = {"json": _Json, "ndjson": _Ndjson, "csv": _Csv, "parquet": _Parquet}


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed.", "pip install pyarrow; or export .csv, .ndjson."
        ) from None
    return pyarrow, pyarrow.parquet
