"""How a text is compared: a part, the whole, wildcards, a regular expression. Case never matters."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from lazycelery.store.filter.lexer import RawValue, wrong
from lazycelery.store.filter.repeats import set_end, shared

MAX_PATTERN = 200
MAX_REPEATS = 5
SEARCHED = 4096
"""Characters of a text that a regular expression looks at."""
SEARCHED_DEAR = 512
"""The same for one whose cost grows with their third power: two repeats can take the same signs."""

_PLAIN_PIECE = re.compile(r"(?:[^\\*+?{|()\[\]]|\\[^\d]|\[[^\]\\^\[]+\])*")
_BRANCHES = re.compile(r"[|()]")
_REST = re.compile(r"(?<!\\)(?:\.\*)+\Z")
"""At the end of an expression it finds nothing that is not there without it."""
_TIMES = re.compile(r"[?+*{]")
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")


@dataclass(frozen=True)
class TextMatch:
    """One value of a text field, ready to compare."""

    kind: str
    """part, whole, wild, regex"""
    text: str
    """Lower case, except for a regex."""
    steps: tuple[re.Pattern[str], ...] = ()
    """Patterns that must be found one after the other: `a.*b` in two, which takes linear time."""
    searched: int = SEARCHED

    def matches(self, text: str) -> bool:
        """Whether a text is what is looked for."""
        if self.kind == "part":
            return self.text in text.lower()
        if self.kind == "whole":
            return self.text == text.lower()
        return self._found(text[: self.searched])

    def _found(self, text: str) -> bool:
        at = 0
        for step in self.steps:
            match = step.search(text, at)
            if match is None:
                return False
            at = match.end()
        return True


def text_match(value: RawValue, anchored: bool, whole: bool = False) -> TextMatch:
    """What a written value means for a text. `anchored`: wildcards describe the whole text."""
    if value.operator == "~":
        return _regex(value)
    if value.operator in (">", "<", ">=", "<="):
        raise wrong(
            value.column, f"{value.operator} compares numbers, and this is text", "Use * or ~ instead."
        )
    if "*" in value.text and not value.quoted:
        return _wild(value.text.lower(), anchored)
    kind = "whole" if whole or value.operator == "=" else "part"
    return TextMatch(kind, value.text.lower())


def _wild(text: str, anchored: bool) -> TextMatch:
    parts = [re.escape(part) for part in re.split(r"\*+", text)]
    if anchored:
        parts[0], parts[-1] = rf"\A{parts[0]}", rf"{parts[-1]}\Z"
    return TextMatch("wild", text, tuple(re.compile(part, re.I | re.S) for part in parts))


def _regex(value: RawValue) -> TextMatch:
    repeats = _checked(value)
    pieces = _pieces(value.text)
    dear = repeats and _shared(value, pieces[-1])
    steps = tuple(map(_compiled, pieces)) if repeats else (_compiled(value.text),)
    return TextMatch("regex", value.text, steps, SEARCHED_DEAR if dear else SEARCHED)


def _pieces(text: str) -> list[str]:
    """An expression at its `.*`, where all but the last piece have one fixed length each: to find them in
    turn is the same, and cannot backtrack."""
    pieces = text.split(".*")
    if all(map(_PLAIN_PIECE.fullmatch, pieces)):
        return pieces
    if _BRANCHES.search(text):
        return [text]
    text = _REST.sub("", text)
    pieces = text.split(".*")
    split = all(map(_PLAIN_PIECE.fullmatch, pieces[:-1])) and not _TIMES.match(pieces[-1])
    return pieces if split else [text]


def _compiled(text: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(text, re.I | re.S)


def _checked(value: RawValue) -> int:
    """The number of repeats of an expression, unless it is wrong or could run for ever."""
    if len(value.text) > MAX_PATTERN:
        raise wrong(value.column, f"the expression is longer than {MAX_PATTERN} characters")
    try:
        _compiled(value.text)
    except (re.error, OverflowError, RecursionError) as error:
        position = getattr(error, "pos", None) or 0
        reason = getattr(error, "msg", None) or str(error)
        hint = "To look for the signs themselves leave the ~ out."
        raise wrong(value.column + position, f"not a regular expression: {reason}", hint) from None
    return _repeats(value)


def _repeats(value: RawValue) -> int:
    """Count the repeats. Refuse what backtracks without end: a group repeated that repeats or chooses."""
    hint = "Such an expression can run for hours. Repeat without a group around it."
    opened: list[bool] = []
    repeats, at, text = 0, 0, value.text
    while at < len(text):
        sign = text[at]
        if sign == "\\":
            at += 2
            continue
        if sign == "[":
            at = set_end(text, at)
            continue
        if sign == "(":
            opened.append(False)
        elif sign == "|" and opened:
            opened[-1] = True
        elif sign == ")" and opened:
            risky = opened.pop()
            if risky and _repeated(text, at + 1):
                raise wrong(value.column + at, "a repeated group with a repeat or a choice inside", hint)
            if opened and risky:
                opened[-1] = True
        elif _repeated(text, at):
            repeats += 1
            if opened:
                opened[-1] = True
        elif sign == "{":
            _check_count(value, at)
        at += 1
    if repeats > MAX_REPEATS:
        raise wrong(value.column, f"more than {MAX_REPEATS} repeats in one expression", "Use fewer * and +.")
    return repeats


def _shared(value: RawValue, piece: str) -> int:
    """Refuse what takes the fourth power of a text's length or more: minutes for a single one."""
    found = shared(piece)
    if found > 1:
        raise wrong(
            value.column,
            "repeats that can take the same signs in too many ways",
            "Such an expression can run for hours. Put a sign between them that the one before cannot take.",
        )
    return found


def _check_count(value: RawValue, at: int) -> None:
    counted = re.compile(r"\{\d*,?(\d+)\}").match(value.text, at)
    if counted and int(counted[1]) > 100:
        raise wrong(value.column + at, "a repeat of more than 100", "Use + or * instead.")


def _repeated(text: str, at: int) -> bool:
    return (
        _UNBOUNDED.match(text, at) is not None
        or re.compile(r"\{\d*,\d+\}|\{\d\d+\}").match(text, at) is not None
    )
