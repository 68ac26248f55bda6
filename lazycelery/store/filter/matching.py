"""A filter against the columns: numbers at once, names once a name, texts last and only where they must."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.store.coding import Words
from lazycelery.store.columns import Columns
from lazycelery.store.filter.needle import Needle
from lazycelery.store.filter.parser import Filter, Term
from lazycelery.store.filter.paths import MISSING, leaf, step
from lazycelery.store.filter.quantities import Moment, Span
from lazycelery.store.filter.texts import TextMatch
from lazycelery.store.marks import CUTS
from lazycelery.store.sealing import BLOCK, FIELDS
from lazycelery.store.values import NUL, decode, plain

Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp]
CODED = {"name": "names", "worker": "workers", "queue": "queues"}
GROUP = "error_group"
FREE_TEXTS = ("id", *FIELDS)
CHEAP, CODES, DEAR = 0, 1, 2
SLICE = 32_768
"""Slots looked at in one go where numbers decide."""
DEAR_SLICE = 256
"""The same where each text must be read."""
_BYTES = re.compile(r"(?:^|[\s(\[{,:])b['\"]")


class Matcher:
    """One filter over one store. Keeps what it found out about names."""

    def __init__(self, filter: Filter, columns: Columns) -> None:
        self.columns = columns
        self._tables: dict[tuple[int, str], Mask] = {}
        self._needles: dict[str, Needle] = {}
        numbered = sorted(enumerate(filter.terms), key=lambda item: _cost(item[1]))
        self._still = [(number, term) for number, term in numbered if not term.moving]
        self._moving = [(number, term) for number, term in numbered if term.moving]

    @property
    def moving(self) -> bool:
        """Whether there are conditions that change by time alone."""
        return bool(self._moving)

    @property
    def picks(self) -> bool:
        """Whether there are conditions that time does not change."""
        return bool(self._still)

    @property
    def at_once(self) -> int:
        """Slots to look at in one go, so that it takes no more than a few milliseconds."""
        dear = [term for _, term in self._still if _cost(term) == DEAR]
        if all(_by_part(term) and (not term.field or term.field in FIELDS) for term in dear):
            return BLOCK if dear else SLICE
        return DEAR_SLICE

    @property
    def dear(self) -> bool:
        """Whether texts must be read."""
        return any(_cost(term) == DEAR for _, term in self._still)

    def still(self, slots: Slots) -> Mask:
        """Which slots hold tasks that meet every condition that time does not change."""
        mask: Mask = self._vector("row")[slots] != 0
        return self._all(self._still, slots, mask, 0.0)

    def between(self, start: int, stop: int) -> Mask:
        """The same for slots in a row: nothing is gathered while many are left."""
        mask: Mask = self._vector("row")[start:stop] != 0
        terms = list(self._still)
        while terms and _cost(terms[0][1]) != DEAR and np.count_nonzero(mask) * 4 > len(mask):
            number, term = terms.pop(0)
            found = self._term(number, term, slice(start, stop), 0.0)
            mask &= ~found if term.negated else found
        if terms:
            some = np.flatnonzero(mask)
            mask[some] = self._all(terms, start + some, np.ones(len(some), dtype=np.bool_), 0.0)
        return mask

    def now(self, slots: Slots, now: float) -> Mask:
        """Which slots meet the conditions that time does change."""
        return self._all(self._moving, slots, np.ones(len(slots), dtype=np.bool_), now)

    def _all(self, terms: list[tuple[int, Term]], slots: Slots, mask: Mask, now: float) -> Mask:
        for number, term in terms:
            some = np.flatnonzero(mask)
            if not len(some):
                break
            found = self._term(number, term, slots[some], now)
            mask[some] = ~found if term.negated else found
        return mask

    def _term(self, number: int, term: Term, where: Slots | slice, now: float) -> Mask:
        if term.field in CODED and not term.path:
            return self._coded(number, term, CODED[term.field], term.field, where)
        if isinstance(where, slice) or _cost(term) != DEAR:
            return self._numbers(term, where, now)
        return self._dear(number, term, where)

    def _dear(self, number: int, term: Term, slots: Slots) -> Mask:
        if term.path:
            return self._each(slots, self._path_reader(term))
        if not term.field:
            return self._word(number, term, slots)
        if term.field == GROUP:
            return self._group(number, term, slots)
        if term.field in FIELDS and _by_part(term):
            return self._parts(term, slots)
        return self._each(slots, self._text_reader(term))

    def _numbers(self, term: Term, slots: Slots | slice, now: float) -> Mask:
        states = self._vector("state")[slots]
        found: Mask = np.zeros(len(states), dtype=np.bool_)
        for test in term.tests:
            if isinstance(test, frozenset):
                for state in test:  # Comparing bytes is many times faster than looking each up.
                    found |= states == state
            elif isinstance(test, int):
                found |= (self._vector("sources")[slots] & test) != 0
            elif isinstance(test, Moment):
                since = self._vector("since")[slots]
                found |= since >= test.at(now) if term.field == "since" else since <= test.at(now)
            elif isinstance(test, Span):
                found |= _within(self._measure(term.field, slots, now), test)
        return found

    def _measure(self, field: str, slots: Slots | slice, now: float) -> npt.NDArray[np.float64]:
        if field == "age":
            age: npt.NDArray[np.float64] = now - self._vector("since")[slots]
            return age
        numbers = self._vector(field)[slots].astype(np.float64)
        if field == "retries":
            numbers[numbers < 0] = np.nan
        return numbers

    def _coded(self, number: int, term: Term, words: str, field: str, slots: Slots | slice) -> Mask:
        table = self._table(number, field, term, getattr(self.columns, words))
        found: Mask = table[self._vector(field)[slots]]
        return found

    def _group(self, number: int, term: Term, slots: Slots) -> Mask:
        kinds = self.columns.kinds
        codes = kinds.known(slots)
        known = self._tables.get((number, GROUP))
        done = 0 if known is None else len(known)
        if known is None or done < len(kinds.faults):
            fresh = kinds.faults[done:]
            more = np.array([one is not None and _any(term, one.id) for one in fresh], dtype=np.bool_)
            known = self._tables[number, GROUP] = more if known is None else np.concatenate([known, more])
        found: Mask = known[codes]
        return found

    def _table(self, number: int, field: str, term: Term, words: Words) -> Mask:
        """By a word's number, whether it matches; grows with the words."""
        known = self._tables.get((number, field))
        done = 0 if known is None else len(known)
        if known is None or done < len(words):
            more = np.array(
                [word is not None and _any(term, word) for word in words.texts[done:]], dtype=np.bool_
            )
            known = more if known is None else np.concatenate([known, more])
            self._tables[number, field] = known
        return known

    def _word(self, number: int, term: Term, slots: Slots) -> Mask:
        found: Mask = np.zeros(len(slots), dtype=np.bool_)
        for field, words in CODED.items():
            if self._table(number, field, term, getattr(self.columns, words)).any():
                found |= self._coded(number, term, words, field, slots)
        rest = np.flatnonzero(~found)
        if _by_part(term) and isinstance(match := term.tests[0], TextMatch):
            found[rest] = self._needle(match.text).within(self.columns, FREE_TEXTS, slots[rest])
        else:
            found[rest] = self._each(slots[rest], self._free_reader(term))
        return found

    def _parts(self, term: Term, slots: Slots) -> Mask:
        found: Mask = np.zeros(len(slots), dtype=np.bool_)
        for test in term.tests:
            if isinstance(test, TextMatch):
                found |= self._needle(test.text).within(self.columns, (term.field,), slots)
        return found

    def _needle(self, part: str) -> Needle:
        known = self._needles.get(part)
        if known is None:
            known = self._needles[part] = Needle(part)
        return known

    def _each(self, slots: Slots, test: Callable[[int], bool]) -> Mask:
        return np.fromiter(map(test, slots.tolist()), dtype=np.bool_, count=len(slots))

    def _free_reader(self, term: Term) -> Callable[[int], bool]:
        ids, read = self.columns.id, self.columns.sealed.text

        def test(slot: int) -> bool:
            texts = (ids[slot], *(read(name, slot) for name in FIELDS))
            return any(text is not None and _any(term, plain(text)) for text in texts)

        return test

    def _text_reader(self, term: Term) -> Callable[[int], bool]:
        read = self._reader_of(term.field)

        def test(slot: int) -> bool:
            text = read(slot)
            return text is not None and _any(term, plain(text))

        return test

    def _reader_of(self, field: str) -> Callable[[int], str | None]:
        columns = self.columns
        if field == "root":
            return columns.root_id.__getitem__
        if field == "group":
            return columns.group_of
        if field == "tag":
            return lambda slot: columns.notes.tags.get(columns.id[slot])
        if field == "dealt":
            return self._dealt
        if field in FIELDS:
            return lambda slot: columns.sealed.text(field, slot)
        ids: list[str] = columns.id
        return ids.__getitem__

    def _dealt(self, slot: int) -> str:
        columns = self.columns
        return "no" if columns.notes.dealt(columns.id[slot], columns.since[slot]) is None else "yes"

    def _path_reader(self, term: Term) -> Callable[[int], bool]:
        read, field = self.columns.sealed.text, term.field
        cut, bit = self.columns.cut, CUTS[term.field]
        needed = _needed(term)

        def test(slot: int) -> bool:
            text = read(field, slot)
            if text is None or any(part not in text for part in needed):
                return False
            found = value_at(text, bool(cut[slot] & bit), term.path)
            return found is not MISSING and any(leaf(found, each) for each in term.tests)

        return test

    def _vector(self, name: str) -> npt.NDArray[Any]:
        return self.columns.vector(name)


def value_at(text: str, cut: bool, path: Sequence[str]) -> Any:
    """What lies at a path of a stored text: JSON of the real value, or a repr that was not cut."""
    if text.startswith(NUL):
        value = decode(text)
    elif cut or "..." in text or "\\" in text or _BYTES.search(text):
        # such a repr may read as something else than what was sent
        return MISSING
    else:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return MISSING
    for name in path:
        value = step(value, name)
        if value is MISSING:
            break
    return value


def _needed(term: Term) -> list[str]:
    """Texts without which a path cannot match: cheaper to look for than to read the value."""
    return [step for step in term.path if step.isascii() and step.isalnum() and not step.isdecimal()]


def _by_part(term: Term) -> bool:
    """Whether a term asks for parts of texts."""
    return not term.path and all(isinstance(one, TextMatch) and one.kind == "part" for one in term.tests)


def _any(term: Term, text: str) -> bool:
    return any(test.matches(text) for test in term.tests if isinstance(test, TextMatch))


def _within(numbers: npt.NDArray[np.float64], span: Span) -> Mask:
    above: Mask = numbers >= span.low if span.with_low else numbers > span.low
    below: Mask = numbers <= span.high if span.with_high else numbers < span.high
    return above & below


def _cost(term: Term) -> int:
    if (
        term.path
        or not term.field
        or term.field in ("id", "root", "group", "error", "args", "kwargs", "result", "tag", "dealt", GROUP)
    ):
        return DEAR
    return CODES if term.field in CODED else CHEAP
