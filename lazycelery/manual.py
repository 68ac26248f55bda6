"""The page of each finding, for reading where the program runs: from the wheel, or from the checkout."""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path

from lazycelery.errors import NothingFound

PACKAGE = Path(__file__).parent
PLACES = (PACKAGE / "pages", PACKAGE.parent / "docs" / "findings")
"""Where a wheel has the pages, and where a checkout has them."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def codes() -> list[str]:
    """The findings that have a page, in the order of the alphabet."""
    return sorted(path.stem for path in _place().glob("*.md"))


@cache
def explain(code: str) -> str:
    """The page of a finding: Markdown without addresses. Raises `NothingFound` with the nearest code."""
    known = codes()
    if code not in known:
        near = difflib.get_close_matches(code, known, 1)
        raise NothingFound(f"There is no finding {code!r}.", f"Did you mean {near[0]}?" if near else "")
    return _LINK.sub(r"\1", (_place() / f"{code}.md").read_text(encoding="utf-8"))


def first_sentence(code: str) -> str:
    """What the finding looks like, in a sentence."""
    body = explain(code).partition("## What it looks like\n")[2].partition("\n## ")[0]
    sentence = re.match(r"(.+?\.)(\s|$)", " ".join(body.split()))
    return sentence[1] if sentence else ""


def _place() -> Path:
    for place in PLACES:
        if place.is_dir():
            return place
    raise NothingFound("The pages of the findings are not installed.", "The documentation has them.")
