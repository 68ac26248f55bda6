"""The audit log on the command line: who, from where, and files of it."""

from __future__ import annotations

import csv
import importlib
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.model.action import AuditEntry
from tests.cli.conftest import Ran
from tests.cli.fake_engine import FakeEngine

Run = Callable[..., Ran]


@pytest.fixture
def log(engine: FakeEngine) -> FakeEngine:
    facts = {"profile": "prod", "broker": "redis://db/0", "plan": {"id": "p", "filter": "state:failure"}}
    engine.entries = [
        AuditEntry(
            time=1_790_000_000.5 - number,
            user="ada",
            host="web-1",
            origin="10.0.0.7" if number == 0 else None,
            action="retry",
            title=f"Retry {number}",
            targets=["a", "b"],
            outcome="done",
            proof="2 of 2 sent",
            **facts,  # type: ignore[arg-type]
        )
        for number in range(3)
    ]
    return engine


def test_the_table_names_user_host_and_ssh_client(log: FakeEngine, run: Run) -> None:
    first, second = run("audit").out.splitlines()[1:3]
    assert "ada@web-1 from 10.0.0.7" in first and "ada@web-1" in second and "from" not in second


def test_an_export_is_a_new_private_file_of_all_of_it(log: FakeEngine, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "audit.csv"
    ran = run("audit", "user:ada", "-action:purge", "--export", str(target))
    assert (ran.code, ran.out) == (0, "") and "3 entries in" in ran.err
    assert log.asked["audit"] == (100_001, "user:ada -action:purge")
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["title"] for row in rows] == ["Retry 0", "Retry 1", "Retry 2"]
    assert (rows[0]["user"], rows[0]["host"], rows[0]["origin"]) == ("ada", "web-1", "10.0.0.7")
    assert json.loads(rows[0]["targets"]) == ["a", "b"] and rows[0]["ok"] == "true"
    assert json.loads(rows[0]["plan"])["filter"] == "state:failure" and rows[1]["origin"] == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = run("audit", "--export", str(target))
    assert again.code == 2 and "already there" in again.err


def test_ndjson_and_json_hold_the_same(log: FakeEngine, run: Run, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in run("audit", "--format", "ndjson").out.splitlines()]
    assert lines == run("audit", "--json").json == run("audit", "--format", "json").json
    assert run("audit", "--export", str(tmp_path / "a.json")).code == 0
    assert json.loads((tmp_path / "a.json").read_text()) == lines and lines[0]["origin"] == "10.0.0.7"


@pytest.mark.soak  # With pyarrow, which takes 150 MB.
def test_parquet_has_the_same_columns(log: FakeEngine, run: Run, tmp_path: Path) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    assert run("audit", "--export", str(tmp_path / "a.parquet")).code == 0
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["title"] for row in rows] == ["Retry 0", "Retry 1", "Retry 2"]
    assert rows[0]["time"] == 1_790_000_000.5 and rows[0]["ok"] == "true"


def test_what_was_left_out_is_said(log: FakeEngine, run: Run) -> None:
    ran = run("audit", "--limit", "2")
    assert len(ran.out.splitlines()) == 3 and "The newest 2; --limit takes more." in ran.err
    assert "newest" not in run("audit", "--limit", "3").err
