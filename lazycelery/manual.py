"""The page of each finding and the meaning of each limit, for reading where the program runs: from the wheel,
or from the checkout."""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec

from lazycelery.errors import NothingFound
from lazycelery.model.limits import Limits

PACKAGE = Path(__file__).parent
PLACES = (PACKAGE / "pages", PACKAGE.parent / "docs" / "findings")
"""Where a wheel has the pages, and where a checkout has them."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def codes() -> list[str]:
    """The findings that have a page, in the order of the alphabet."""
    return sorted(path.stem for path in _place().glob("*.md"))


def limits() -> dict[str, tuple[float, str]]:
    """The doctor's limits: the usual value of each, and what it means."""
    tree = ast.parse((PACKAGE / "model" / "limits.py").read_text(encoding="utf-8"))
    [body] = [one.body for one in tree.body if isinstance(one, ast.ClassDef) and one.name == "Limits"]
    meaning = {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
    return {name: (value, meaning.get(name, "")) for name, value in msgspec.structs.asdict(Limits()).items()}


def _limit(name: str) -> str:
    value, meaning = limits()[name]
    return f"""# {name}

{meaning}

Usually {value:,}. Another value stands in the profile:

    [profiles.NAME.doctor]
    {name} = {value}
"""


@cache
def explain(code: str) -> str:
    """The page of a finding, or of a limit: Markdown without addresses. Raises `NothingFound` with the
    nearest name."""
    known = codes()
    if code in Limits.__struct_fields__:
        return _limit(code)
    if code not in known:
        near = difflib.get_close_matches(code, [*known, *Limits.__struct_fields__], 1)
        hint = f"Did you mean {near[0]}?" if near else ""
        raise NothingFound(f"There is no finding or limit {code!r}.", hint)
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
