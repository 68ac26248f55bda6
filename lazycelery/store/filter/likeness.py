"""What all texts that a test finds look like, for a database: a pattern of LIKE, which is many times faster
than the test itself. Other texts may look so too, and letters compare without their case.
"""

from __future__ import annotations

import re

from lazycelery.store.filter.repeats import set_end
from lazycelery.store.filter.texts import TextMatch

FIRM = 2
"""Signs that a pattern has at least: with fewer of them nearly everything looks so."""
ANY, MANY = "_", "%"
_FOLDED = frozenset("iks")
"""Others count as these without their case: dotless i, the sign of kelvin, the long s."""
_DOT = "\u0307"
"""A capital I with a dot is two signs in lower case."""
_REPEATED = re.compile(r"(?:[*+?]|\{(?:\d+,?\d*|,\d*)\})[?+]?")
"""How often the sign before stands; `{}` are two signs."""
_CLASSES, _CONTROLS = "dDwWsSbBAZ", "abfnrtv"


def like_of(test: TextMatch) -> str | None:
    """A pattern that each text meets in which the test finds something, with `\\` before signs that mean
    themselves; `None` where no sign is certain."""
    if test.kind == "regex":
        runs = _certain(test.text)
    elif test.kind == "wild":
        runs = re.split(r"\*+", test.text)
    else:
        runs = [test.text]
    pieces = ["".join(map(_like, run)) for run in runs if run]
    firm = sum(len(piece.replace(ANY, "").replace(MANY, "")) for piece in pieces)
    return f"%{'%'.join(pieces)}%" if firm >= FIRM else None


def _like(sign: str) -> str:
    """Of one sign."""
    if sign == _DOT:
        return MANY
    if not sign.isascii() or sign.lower() in _FOLDED or sign < " ":
        return ANY
    return f"\\{sign}" if sign in "\\%_" else sign


def _certain(pattern: str) -> list[str]:
    """Runs of signs that stand, in this order, in each text that a regular expression finds. None where it
    has anything of which that is hard to tell."""
    if "(?" in pattern:  # Also in a group: with `(?x:` what follows a # in it is no pattern.
        return []
    runs, run, at = [], "", 0
    while at < len(pattern):
        sign, own = pattern[at], ""
        if sign == "|":
            return []
        if sign == "(":
            at = _group_end(pattern, at)
        elif sign == "[":
            at = set_end(pattern, at)
        elif sign == "\\":
            following = pattern[at + 1 : at + 2]
            if following.isalnum() and following not in _CLASSES + _CONTROLS:
                return []
            own = "" if following.isalnum() else following
            at += 2
        else:
            own = "" if sign in ".^$" else sign
            at += 1
        repeated = _REPEATED.match(pattern, at)
        if repeated is not None:
            own, at = "", repeated.end()
        if own:
            run += own
        else:
            runs.append(run)
            run = ""
    return [*runs, run]


def _group_end(pattern: str, start: int) -> int:
    """The place after a group."""
    depth, at = 0, start
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\":
            at += 2
            continue
        if sign == "[":
            at = set_end(pattern, at)
            continue
        depth += (sign == "(") - (sign == ")")
        at += 1
        if not depth:
            break
    return at
