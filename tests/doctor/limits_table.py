"""The table of limits in docs/findings.md, made from the code: `python -m tests.doctor.limits_table`."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from pathlib import Path

import msgspec

from lazycelery.model import limits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
HEAD = "| limit | usual | meaning |\n|---|---|---|\n"


def table() -> str:
    """A line a limit: its name, its value, and its meaning."""
    [body] = [one.body for one in ast.parse(inspect.getsource(limits)).body if isinstance(one, ast.ClassDef)]
    meaning = {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
    values = msgspec.structs.asdict(limits.Limits())
    return HEAD + "".join(f"| `{name}` | {value:,} | {meaning[name]} |\n" for name, value in values.items())


def main() -> None:
    """Write it into the page."""
    text = PAGE.read_text()
    before, _, rest = text.partition(HEAD)
    after = rest.partition("\n\n")
    PAGE.write_text(f"{before}{table()}{after[1][1:]}{after[2]}")


if __name__ == "__main__":
    main()
