"""`lazycelery explain`: the pages of the findings, where there is no documentation beside the program."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomlkit

from lazycelery import manual
from lazycelery.insight.doctor import MODES
from lazycelery.model.limits import Limits

ROOT = Path(__file__).resolve().parents[2]


def test_each_finding_is_explained_without_a_broker(run):
    for code in MODES:
        ran = run("explain", code, broker=False)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"# {code}\n")
        assert "](" not in ran.out, "an address that leads nowhere"


def test_without_a_code_all_are_listed_in_a_sentence(run):
    rows = run("explain", "--json", broker=False).json
    assert {row["code"] for row in rows} == set(MODES)
    assert all(row["what"].endswith(".") for row in rows)
    assert "worker-lost" in run("explain", broker=False).out


def test_each_limit_is_explained_with_its_usual_value_and_where_it_is_set(run):
    rows = run("explain", "limits", "--json", broker=False).json
    assert [row["limit"] for row in rows] == list(Limits.__struct_fields__)
    for row in rows:
        ran = run("explain", row["limit"], broker=False)
        assert ran.code == 0 and row["what"] in ran.out and f"{row['limit']} = {row['usual']}" in ran.out
        assert row["usual"] == getattr(Limits(), row["limit"]) and row["what"]
    assert "stalled_times" in run("explain", "limits", broker=False).out


def test_a_wrong_code_ends_with_1_and_the_nearest(run):
    ran = run("explain", "worker-lst", broker=False)
    assert (ran.code, ran.out) == (1, "")
    assert "Did you mean worker-lost?" in ran.err


def test_a_program_without_its_pages_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run):
    monkeypatch.setattr(manual, "PLACES", (tmp_path / "none",))
    ran = run("explain", broker=False)
    assert ran.code == 1
    assert "not installed" in ran.err


def test_the_wheel_holds_the_pages_where_they_are_looked_for_first():
    targets = tomlkit.parse((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["force-include"] == {"docs/findings": "lazycelery/pages"}
    assert manual.PLACES[0] == manual.PACKAGE / "pages"
    assert "docs" in targets["sdist"]["include"]
