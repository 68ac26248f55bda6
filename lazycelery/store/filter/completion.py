"""Completion of a filter: fields, the values that were seen, and paths into arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from lazycelery.model.completion import Completion
from lazycelery.model.counting import count
from lazycelery.model.states import LABELS
from lazycelery.store.coding import Words
from lazycelery.store.columns import Columns
from lazycelery.store.filter.matching import GROUP, value_at
from lazycelery.store.filter.parser import FAULTS, FIELDS, PATHS, YES_NO
from lazycelery.store.filter.paths import MISSING
from lazycelery.store.marks import CUTS, SOURCES

MOST = 20
SAMPLE = 1000
"""Newest tasks that are looked at for errors."""
DEEP_SAMPLE = 200
"""Newest tasks whose arguments are read."""
LONGEST = 60
"""Characters of a value that is worth offering."""
HABITS: dict[str, tuple[str, ...]] = {
    "runtime": (">1s", ">10s", ">1m", "<100ms"),
    "wait": (">1s", ">1m", ">10m"),
    "age": (">1m", ">10m", ">1h"),
    "since": ("5m", "15m", "1h", "1d"),
    "until": ("5m", "15m", "1h", "1d"),
    "retries": (">0", ">2"),
    "state": (*LABELS, FAULTS),
    "source": tuple(SOURCES),
    "dealt": YES_NO,
}
"""Values that are offered whether seen or not."""


def complete(columns: Columns, text: str, cursor: int) -> list[Completion]:
    """What may stand at `cursor`, the likeliest first; at most 20."""
    start = _word_start(text, cursor)
    word = text[start:cursor]
    if word.startswith("-"):
        start, word = start + 1, word[1:]
    field, colon, rest = word.partition(":")
    if not colon:
        return list(_limited(_fields(columns, word, start, cursor)))
    value = rest.rpartition(",")[2]
    begin = cursor - len(value)
    offered = _values(columns, field.lower(), value.strip('"').lower())
    return [Completion(start=begin, end=cursor, text=_written(said), note=note) for said, note in offered]


def _limited(found: Iterable[Completion]) -> Iterator[Completion]:
    for _, one in zip(range(MOST), found, strict=False):
        yield one


def _word_start(text: str, cursor: int) -> int:
    """Where the word under the cursor begins; a space within quotes does not end it."""
    start, quoted = 0, False
    for at, char in enumerate(text[:cursor]):
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            start = at + 1
    return start


def _written(value: str) -> str:
    """A value as the filter language reads it back."""
    if value and all(char.isalnum() or char in "_.@-:/<>=" for char in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _fields(columns: Columns, word: str, start: int, end: int) -> Iterator[Completion]:
    head, dotted, _ = word.lower().partition(".")
    if dotted and head in PATHS:
        for path, count in _paths(columns, head).most_common():
            if path.lower().startswith(word.lower()):
                yield Completion(start=start, end=end, text=f"{path}:", note=f"in {count} of the newest")
        return
    for field in FIELDS:
        if field.startswith(word.lower()):
            yield Completion(start=start, end=end, text=f"{field}:", note="field")


def _values(columns: Columns, field: str, begun: str) -> list[tuple[str, str]]:
    if field in HABITS:
        found: Iterable[tuple[str, str]] = ((value, "") for value in HABITS[field])
    elif field in ("name", "worker", "queue"):
        found = _words(columns, field)
    elif field == "tag":
        found = _counted(Counter(columns.notes.tags.values()))
    elif field == "error":
        found = _counted(_errors(columns))
    elif field == GROUP:
        found = _groups(columns)
    elif field.partition(".")[0] in PATHS and "." in field:
        found = _counted(_leaves(columns, field))
    else:
        return []
    fitting = [(value, note) for value, note in found if begun in value.lower()]
    # What begins as it was typed comes before what merely holds it.
    return sorted(fitting, key=lambda pair: not pair[0].lower().startswith(begun))[:MOST]


def _words(columns: Columns, field: str) -> list[tuple[str, str]]:
    """Names in use, the most frequent first."""
    table: Words = {"name": columns.names, "worker": columns.workers, "queue": columns.queues}[field]
    alive = columns.vector(field)[columns.vector("row") != 0]
    counts = np.bincount(alive, minlength=len(table))
    order = np.argsort(-counts, kind="stable")
    return [
        (word, count(int(counts[code]), "task"))
        for code in order.tolist()
        if counts[code] and (word := table.texts[code])
    ]


def _counted(values: Counter[str]) -> list[tuple[str, str]]:
    return [(value, f"{count} of the newest") for value, count in values.most_common()]


def _newest(columns: Columns, limit: int) -> list[int]:
    rows = columns.vector("row")
    order = np.argsort(-rows, kind="stable")[:limit] if len(rows) <= limit else _top(rows, limit)
    return [slot for slot in order.tolist() if rows[slot]]


def _top(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], limit: int
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    part = np.argpartition(rows, len(rows) - limit)[len(rows) - limit :]
    return part[np.argsort(-rows[part])]


def _groups(columns: Columns) -> list[tuple[str, str]]:
    """Groups of the newest failures that were read already, with what they say."""
    found: Counter[int] = Counter()
    for slot in _newest(columns, SAMPLE):
        if columns.fault[slot] and columns.faulted[slot] == columns.stamp[slot]:
            found[columns.fault[slot]] += 1
    kinds = [columns.kinds.faults[code] for code, _ in found.most_common(MOST)]
    return [(one.id, f"{one.type}: {one.message}"[:LONGEST]) for one in kinds if one is not None]


def _errors(columns: Columns) -> Counter[str]:
    """Exception names of the newest failures."""
    found: Counter[str] = Counter()
    for slot in _newest(columns, SAMPLE):
        error = columns.sealed.text("error", slot)
        if error:
            name = error.partition("(")[0].strip()
            if name and len(name) <= LONGEST:
                found[name] += 1
    return found


def _samples(columns: Columns, field: str, read: Callable[[object], None]) -> None:
    for slot in _newest(columns, DEEP_SAMPLE):
        text = columns.sealed.text(field, slot)
        if text is not None:
            read(value_at(text, bool(columns.cut[slot] & CUTS[field]), ()))


def _paths(columns: Columns, field: str) -> Counter[str]:
    found: Counter[str] = Counter()

    def walk(value: object, path: str, depth: int) -> None:
        if isinstance(value, dict):
            steps: Iterable[tuple[object, object]] = list(value.items())[:50]
        elif isinstance(value, (list, tuple)):
            steps = list(enumerate(value))[:10]
        else:
            return
        for step, inner in steps:
            if isinstance(step, (str, int)) and str(step).replace("_", "a").replace("-", "a").isalnum():
                found[f"{path}.{step}"] += 1
                if depth < 3:
                    walk(inner, f"{path}.{step}", depth + 1)

    _samples(columns, field, lambda value: walk(value, field, 0) if value is not MISSING else None)
    return found


def _leaves(columns: Columns, path: str) -> Counter[str]:
    field, _, rest = path.partition(".")
    found: Counter[str] = Counter()

    def read(value: object) -> None:
        for step in rest.split("."):
            if isinstance(value, dict):
                value = value.get(step, MISSING)
            elif isinstance(value, (list, tuple)) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return
        if isinstance(value, (str, int, float, bool)) and len(str(value)) <= LONGEST:
            found[str(value)] += 1

    _samples(columns, field, read)
    return found
