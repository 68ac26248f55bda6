"""What is printed: results on stdout, everything else on stderr, nothing that could harm a terminal."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from lazycelery.cli.table import Column, render
from lazycelery.errors import LazyCeleryError
from lazycelery.model.text import clean, clean_block

_PLAIN = {str, type(None)}
INTERNAL = frozenset({"stamp"})
"""Fields of our own bookkeeping, left out of JSON."""


class Output:
    """One command's way to the outside. With `as_json`, tables and lines for people stay away."""

    def __init__(self, as_json: bool = False, no_color: bool = False) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty()
        self.color = self.terminal and not no_color and not os.environ.get("NO_COLOR")

    @property
    def width(self) -> int | None:
        """Columns of the terminal; `None` where nothing needs to be cut."""
        return shutil.get_terminal_size().columns if self.terminal else None

    def json(self, value: Any) -> None:
        """One JSON value on stdout: over several lines for a terminal, in one line for a pipe."""
        sys.stdout.write(to_json(value, indent=2 if self.terminal else None) + "\n")
        sys.stdout.flush()

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
        """Aligned columns, as wide as the terminal."""
        for line in render(columns, rows, self.width, self.color):
            sys.stdout.write(line + "\n")

    def line(self, text: str = "") -> None:
        """One harmless line."""
        sys.stdout.write(clean(text) + "\n")

    def block(self, text: str, indent: str = "  ") -> None:
        """Text of several lines: a traceback."""
        for line in clean_block(text):
            sys.stdout.write(f"{indent}{line}".rstrip() + "\n")

    def note(self, text: str) -> None:
        """A remark on stderr: what could not be seen, what was cut."""
        sys.stdout.flush()
        for line in clean_block(text):
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def notes(self, texts: Iterable[str]) -> None:
        """Several remarks."""
        for text in texts:
            self.note(text)


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON in pure ASCII, fields in the order of their classes; unknown is null.

    NaN and infinities, which JSON lacks, become their names.
    """
    plain = _plain(value)
    try:
        return json.dumps(plain, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(plain), indent=indent)


def to_line(value: Any) -> str:
    """The same without spaces, one of many: what is plain text and numbers by a serializer that is ten times
    as fast."""
    import msgspec

    from lazycelery.model.task import Task

    if isinstance(value, Task) and _simple(value):
        with contextlib.suppress(ValueError):  # Half a sign, which only Python's writes.
            text = msgspec.json.encode(value)
            if text.isascii():
                return text.decode()
    return json.dumps(json.loads(to_json(value)), separators=(",", ":"))


def _simple(task: Any) -> bool:
    """Whether nothing in it is written in more than one way: no real values, no endless numbers."""
    moments = (task.sent, task.received, task.started, task.finished, task.runtime, task.wait)
    return (
        {type(task.args), type(task.kwargs), type(task.result), type(task.progress)} <= _PLAIN
        and len(task.attempts) == 1
        and math.isfinite(sum(filter(None, (*moments, task.seen))))
    )


def _plain(value: Any) -> Any:
    import msgspec

    if isinstance(value, list):
        return [_plain(one) for one in value]
    built = msgspec.to_builtins(value, str_keys=True)
    if isinstance(value, msgspec.Struct):
        return {key: one for key, one in built.items() if key not in INTERNAL}
    return built


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


def tell_error(error: LazyCeleryError, as_json: bool, no_color: bool = False) -> None:
    """An error on stderr: two lines for people, one JSON object for programs."""
    sys.stdout.flush()
    if as_json:
        told = json.dumps({"error": error.title, "hint": error.hint, "code": error.code})
        sys.stderr.write(told + "\n")
    else:
        sign = click.style("Error:", fg="red") if not no_color and _colored_stderr() else "Error:"
        for line in (f"{sign} {clean(error.title)}", *clean_block(error.hint)):
            if line:
                sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _colored_stderr() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")
