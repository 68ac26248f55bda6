"""The table in docs/findings.md: a line a failure mode and cause, written by the command that measures."""

from __future__ import annotations

import fcntl
import statistics
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.detection.ward import CASES, Case, Times

PAGE = Path(__file__).resolve().parents[3] / "docs" / "findings.md"
HEAD = (
    "| finding | cause | seen on the wire | from the cause | from then | gone after its cure |\n"
    "|---|---|---|---|---|---|\n"
)
SOON = 5.0
"""Seconds within which a finding should show once its cause is to be seen."""


def start(code: str, one: Case) -> str:
    """What a line begins with: it names the case."""
    return f"| {code} | {one.cause} | {one.visible} |"


def line(code: str, one: Case, times: Times) -> str:
    """A line of the table."""
    return f"{start(code, one)} {times.cause:.1f} | {times.wire:.1f} | {times.cure:.1f} |"


def lines() -> list[str]:
    """What the page has by now."""
    _, _, rest = PAGE.read_text().partition(HEAD)
    return rest.partition("\n\n")[0].splitlines()


def summary(rows: list[str]) -> str:
    """Half and most of what was measured, in one sentence."""
    times = [float(row.split("|")[5]) for row in rows]
    late = sum(each > SOON for each in times)
    median = statistics.median(times)
    told = f"Half of them show within {median:.1f} s of being visible, "
    return told + (f"all but {late} of {len(times)}" if late else "all of them") + f" within {SOON:g} s."


def write(one: Case, measured: Mapping[str, Times]) -> None:
    """Put lines into the page, in the order of the cases; those of other cases stay."""
    with open(PAGE, "r+") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        before, head, rest = page.read().partition(HEAD)
        assert head, "the page has no such table"
        old, _, after = rest.partition("\n\n")
        known = {row.rpartition("|")[0].rsplit("|", 3)[0] + "|": row for row in old.splitlines()}
        for code, times in measured.items():
            known[start(code, one)] = line(code, one, times)
        rows = [known[key] for each in CASES for code in each.codes if (key := start(code, each)) in known]
        after = after.split("\n\n", 1)[1] if after.startswith("Half of them show") else after
        page.seek(0)
        page.truncate()
        page.write(f"{before}{head}" + "\n".join(rows) + f"\n\n{summary(rows)}\n\n{after}")
