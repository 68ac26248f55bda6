"""Codes, pages and actions hold together."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from lazycelery.insight.doctor import MODES, page
from lazycelery.model.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
HEADS = ["What it looks like", "Why it happens", "How to be sure", "How to mend", "How to prevent"]


@pytest.mark.parametrize("code", MODES)
def test_each_finding_has_its_page(code: str) -> None:
    text = (ROOT / page(code)).read_text()
    assert text.startswith(f"# {code}\n")
    assert re.findall(r"^## (.+)$", text, re.M) == HEADS


def test_each_page_is_a_finding_and_all_are_listed() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "findings").glob("*.md")}
    listed = re.findall(r"\(findings/([a-z-]+)\.md\)", (ROOT / "docs" / "findings.md").read_text())
    assert pages == set(MODES) == set(listed)
    assert len(listed) == len(set(listed))


def test_each_limit_is_explained_with_its_value() -> None:
    text = (ROOT / "docs" / "findings.md").read_text()
    for name, value in msgspec.structs.asdict(Limits()).items():
        assert f"| `{name}` | {value:,} | " in text, name
