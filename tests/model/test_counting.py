"""Numbers, and what agrees with them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lazycelery
from lazycelery.model.counting import agreed, count

ROOT = Path(lazycelery.__file__).parent
COUNT = r"\{(?:count|plural|q\.counted|counting\.count)\((?:[^{}()]|\([^()]*\))*\)\}"
MANY = r"(?:are|were|have|do|wait|stay|run|lie|consume|exist|hold|send|differ|go|match)\b"


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 messages wait"), (1, "1 message waits"), (2, "2 messages wait"), (1204, "1,204 messages wait")],
)
def test_a_verb_agrees_with_its_number(number: int, said: str) -> None:
    assert count(number, "message", does="wait") == said


@pytest.mark.parametrize(
    ("many", "one"), [("are", "is"), ("were", "was"), ("have", "has"), ("do", "does"), ("stay", "stays")]
)
def test_verbs_have_both_forms(many: str, one: str) -> None:
    assert (agreed(1, many), agreed(2, many)) == (one, many)


def test_nouns_may_have_their_own_plural() -> None:
    assert (count(1, "entry", "entries"), count(2, "entry", "entries")) == ("1 entry", "2 entries")


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (
                part.value if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"
                for part in node.values
                if isinstance(part, (ast.Constant, ast.FormattedValue))
            )
            yield node.lineno, "".join(map(str, parts))


def test_no_verb_stands_in_its_plural_behind_a_count() -> None:
    """`{count(n, "message")} wait`: a count of one would not agree."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, text in sentences(path)
        if re.search(f"{COUNT} {MANY}", text)
    ]
    assert not wrong, "count(number, noun, does=…):\n" + "\n".join(wrong)
