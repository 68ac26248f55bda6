"""Codes, pages and actions hold together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lazycelery import manual
from lazycelery.insight.doctor import MODES, page
from tests.benchmarks.detection import CASES
from tests.benchmarks.detection import table as detection
from tests.doctor.limits_table import STARTERS, example, table

ROOT = Path(__file__).resolve().parents[2]
HEADS = ["What it looks like", "Why it happens", "How to be sure", "How to mend", "How to prevent"]


@pytest.mark.parametrize("code", MODES)
def test_each_finding_has_its_page(code: str) -> None:
    assert page(code) == f"lazycelery explain {code}"
    text = (ROOT / "docs" / "findings" / f"{code}.md").read_text()
    assert text.startswith(f"# {code}\n")
    assert re.findall(r"^## (.+)$", text, re.M) == HEADS


def test_each_page_is_a_finding_and_all_are_listed() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "findings").glob("*.md")}
    listed = re.findall(r"\(findings/([a-z-]+)\.md\)", (ROOT / "docs" / "findings.md").read_text())
    assert pages == set(MODES) == set(listed)
    assert len(listed) == len(set(listed))


def test_each_finding_has_a_measured_time_to_detection() -> None:
    """A line each, written by the command that measures."""
    rows = detection.lines()
    told = {row.split("|")[1].strip() for row in rows}
    assert told == set(MODES), "DETECT_WRITE=1 measures and writes them"
    starts = tuple(detection.start(code, one) for one in CASES for code in one.codes)
    assert [row for row in rows if not row.startswith(starts)] == []
    assert detection.summary(rows) in (ROOT / "docs" / "findings.md").read_text()


def test_the_table_of_limits_is_that_of_the_code() -> None:
    assert all(what.endswith(".") and len(what) > 20 for _, what in manual.limits().values())
    assert all(example() in path.read_text() for path in STARTERS), "python -m tests.doctor.limits_table"
    assert table() in (ROOT / "docs" / "findings.md").read_text(), "python -m tests.doctor.limits_table"
