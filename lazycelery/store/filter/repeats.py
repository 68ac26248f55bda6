"""How dear a regular expression may get: repeats that can take the same signs share them out in each way
there is. `a+b+` has one for each text, `a+a+` as many as the text has signs, `a+a+a+` its square.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Signs = frozenset[str]

_ELEMENT = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-9]\d?|.)|.", re.S
)
_NOWHERE = frozenset(("^", "$", r"\A", r"\Z", r"\b", r"\B"))
"""What stands for a place, and for no sign."""
_MARK = re.compile(r"\(\?(?:#[^)]*|P=\w+|[a-zA-Z-]+)\)")
_GROUP = re.compile(r"\(\?(?:P<\w+>|\(\w+\)|[a-zA-Z-]*:|>|(?P<look><?[=!]))|\(")
_SPACED = re.compile(r"\(\?[a-zA-Z]*x")
_TIMES = re.compile(r"(?:(?P<sign>[*+?])|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)(?<!\{)\})[?+]?")
_PROBES = "".join(map(chr, [*range(256), *range(256, 0x10000, 128), 0x130, 0x17F, 0x212A]))


class _State(NamedTuple):
    shared: int = 0
    """Repeats so far that the one before could have taken the signs of."""
    taking: Signs = frozenset()
    """What repeats take of which nothing tells yet where they end."""

    def then(self, signs: Signs, least: int, many: bool) -> _State:
        """After what takes these signs, `least` of them or more."""
        if many and self.taking & signs:
            return _State(self.shared + 1, signs if least else self.taking | signs)
        ended = bool(least) and not self.taking & signs
        taking = frozenset[str]() if ended else self.taking
        return _State(self.shared, taking | signs if many else taking)


@dataclass
class _Group:
    before: _State
    look: bool = False
    branches: list[_State] = field(default_factory=list)
    taken: list[Signs] = field(default_factory=list)
    optional: list[int] = field(default_factory=list)
    """Places in `taken`."""

    def took(self, signs: Signs, least: int) -> None:
        if not least:
            self.optional.append(len(self.taken))
        self.taken.append(signs)

    @property
    def ambiguous(self) -> bool:
        """Repeated it takes the same text in ever so many ways: as in `(aa?)+`."""
        return any(
            self.taken[place] & other
            for place in self.optional
            for at, other in enumerate(self.taken)
            if at != place
        )


def shared(pattern: str) -> int:
    """How many repeats of a valid expression can take signs that another one before may take as well, in the
    worst of its alternatives; two more for a repeated group that is ambiguous in itself. Too many rather than
    too few."""
    probes = _PROBES + pattern
    every = frozenset(probes)
    spaced = _SPACED.search(pattern) is not None
    groups, state, at = [_Group(_State())], _State(), 0
    while at < len(pattern):
        if pattern[at] == "(" and not _MARK.match(pattern, at):
            opened = _GROUP.match(pattern, at)
            look = opened is not None and opened["look"] is not None
            groups.append(_Group(state, look))
            state = _State() if look else state
            at = opened.end() if opened else at + 1
            continue
        if pattern[at] == "|":
            groups[-1].branches.append(state)
            state = _State() if groups[-1].look else groups[-1].before
            at += 1
            continue
        if pattern[at] == ")" and len(groups) > 1:
            group = groups.pop()
            inside = _worst([*group.branches, state])
            least, many, at = _times(pattern, at + 1)
            signs = frozenset[str]().union(*group.taken)
            if group.look:
                state = _State(max(inside.shared, group.before.shared), group.before.taking)
                continue
            if many:
                state = group.before.then(signs, 0 if spaced else least, True)
                state = state._replace(shared=max(state.shared, inside.shared) + 2 * group.ambiguous)
            else:
                state = inside if least else _worst([group.before, inside])
            groups[-1].took(signs, least)
            continue
        element, at = _element(pattern, at)
        signs, certain = _signs(element, probes, every)
        least, many, at = _times(pattern, at)
        if element not in _NOWHERE:
            state = state.then(signs, least if certain and not spaced else 0, many)
            groups[-1].took(signs, least)
    return _worst([*groups[0].branches, state]).shared


def _worst(states: Sequence[_State]) -> _State:
    return _State(
        max(state.shared for state in states), frozenset[str]().union(*[state.taking for state in states])
    )


def _element(pattern: str, at: int) -> tuple[str, int]:
    """What stands for one sign, and the place after it."""
    mark = _MARK.match(pattern, at)
    if mark:
        return mark[0], mark.end()
    if pattern[at] == "[":
        end = set_end(pattern, at)
        return pattern[at:end], end
    element = _ELEMENT.match(pattern, at)
    assert element
    return element[0], element.end()


def _signs(element: str, probes: str, every: Signs) -> tuple[Signs, bool]:
    """Which signs it takes, of some of all kinds, and whether it takes one for certain."""
    try:
        found = frozenset(re.findall(element, probes, re.I | re.S)) if element[0] != "(" else None
    except re.error:  # What an earlier group took.
        found = None
    return (found or every), found is not None


def _times(pattern: str, at: int) -> tuple[int, bool, int]:
    """How often at least what ends here is taken, whether that varies by more than one, and what follows."""
    times = _TIMES.match(pattern, at)
    if times is None:
        return 1, False, at
    if times["sign"]:
        return int(times["sign"] == "+"), times["sign"] != "?", times.end()
    least = int(times["least"] or 0)
    most = int(times["most"]) if times["most"] else None if times["comma"] else least
    return least, most is None or most > least + 1, times.end()


def set_end(text: str, start: int) -> int:
    """The place after a set of signs of a regular expression, `[…]`."""
    at = start + 1
    at += text.startswith("^", at)
    at += text.startswith("]", at)
    while at < len(text) and text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    return at + 1
