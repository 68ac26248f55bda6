"""`lazycelery history --events|--findings|--samples`."""

from __future__ import annotations

import csv
import importlib
import json
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lazycelery.engine.memory import files_of
from lazycelery.model.profile import Profile
from lazycelery.store.history.let_go import KIND
from lazycelery.store.history.storage import FindingBegan, FindingEnded, Hour, Sample
from tests.cli.conftest import Ran
from tests.cli.fake_engine import EVIL
from tests.history.keeping import Monitor, killed
from tests.store.build import T0, event, failed, received, sent

Run = Callable[..., Ran]
WHOLE = "7f3a1c20-0000-4000-8000-00000000000a"


@pytest.fixture
def past() -> None:
    """What was recorded of redis://db/0, of which no server is asked."""
    monitor = Monitor(files_of(Profile(broker="redis://db/0"))).start()
    monitor.hear(received(1, WHOLE, name="=cmd|mail"), failed(2, WHOLE))
    monitor.hear(event("progress", 3, WHOLE, extra={"step": EVIL, "password": "hunter2"}))
    monitor.recorder.note(FindingBegan("backlog", "mail", "warning", f"mail grows {EVIL}", "Look.", T0))
    monitor.recorder.note(FindingBegan("no-workers", "", "critical", "No worker", "Start one.", T0 + 5))
    monitor.recorder.note(FindingEnded(T0 + 9, "backlog", "mail"))
    monitor.recorder.note(Sample(T0, '{"mail":[40,null,1]}', '{"w1@h":["online",1,7,null]}'))
    killed(monitor)  # One finding stands still.


def test_events_are_lines_newest_first(past: None, run: Run) -> None:
    ran = run("history", "--events", WHOLE)
    heading, *lines = ran.out.splitlines()
    assert ran.code == 0 and heading.split() == ["TIME", "EVENT", "ID", "TASK", "WORKER", "FIELDS"]
    assert [line.split()[2:4] for line in lines] == [
        *(["task-progress", "7f3a1c20"], ["task-failed", "7f3a1c20"], ["task-received", "7f3a1c20"])
    ]
    assert "\x1b" not in ran.out and "\u202e" not in ran.out and "hunter2" not in ran.out
    assert "Showing the newest 1. --limit" in run("history", "--events", "--limit", "1").err
    assert "Showing" not in run("history", "--events", "--limit", "3").err


def test_findings_and_samples_are_lines_too(past: None, run: Run) -> None:
    lines = [line.split() for line in run("history", "--findings").out.splitlines()]
    assert lines[0] == ["BEGAN", "ENDED", "LASTED", "SEVERITY", "CODE", "SUBJECT", "TITLE"]
    assert lines[1][2:6] == ["open", "-", "critical", "no-workers"] and lines[2][4:6] == ["9.00s", "warning"]
    told = run("history", "--samples")
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[1][2:] == ["mail", "40", "-", "1"] and lines[2][2:] == ["w1@h", "online", "1", "7", "-"]
    assert "ACTIVE" not in run("history", "--samples", "queue:mail").out


@pytest.mark.parametrize("kind", ["--events", "--findings", "--samples"])
def test_it_says_how_far_it_reaches_and_what_is_not_in_it(run: Run, kind: str) -> None:
    monitor = Monitor(files_of(Profile(broker="redis://db/0"))).start()
    monitor.hear(received(1, WHOLE))
    gone = msgspec.msgpack.encode([5, 0, 0, 1500, 0, 0, 0])
    empty = msgspec.msgpack.encode({})
    monitor.recorder.note(Hour(int(T0 // 3600 * 3600), KIND, "host:1:1", gone, empty, empty))
    killed(monitor)
    told = run("history", kind).err
    assert re.search(r"The history of tasks reaches back to 20.{17}, and was last written at 20.{17}\.", told)
    assert "Not in the history, from 20" in told
    assert "5 successful tasks let go under load, 1.5 s of events not heard under load." in told


@pytest.mark.parametrize("kind", [[], ["--events"], ["--findings"], ["--samples"]])
def test_no_line_is_wider_than_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, kind: list[str]
) -> None:
    monitor = Monitor(files_of(Profile(broker="redis://db/0"))).start()
    long, worker = "order-4711-" * 9, f"celery@{'w' * 40}"
    told: Any = {"name": f"shop.{'n' * 40}", "args": f"('{'a' * 40}',)"}
    monitor.hear(sent(0, long, queue="q" * 40, **told), received(1, long, worker=worker, **told))
    monitor.hear(failed(2, long, worker), event("progress", 3, long, worker, extra={"step": "x" * 40}))
    monitor.recorder.note(FindingBegan("queue-without-consumer", "q" * 40, "critical", "t" * 60, "", T0))
    monitor.recorder.note(FindingEnded(T0 + 7000, "queue-without-consumer", "q" * 40))
    workers = f'{{"{worker}":["offline",1,1204567,12.5]}}'
    monitor.recorder.note(Sample(T0, f'{{"{"q" * 40}":[1204,12,3]}}', workers))
    monitor.stop()
    whole = run("history", *kind).out.splitlines()
    assert "…" not in whole[0] and max(map(len, whole)) > 120
    for width in (80, 120):
        monkeypatch.setattr("lazycelery.cli.output.Output.width", width)
        lines = run("history", *kind).out.splitlines()
        assert max(map(len, lines)) <= width and "…" in lines[1]
        fewer = len(lines[0].replace(" …", "").split()) < len(whole[0].split())
        assert fewer <= lines[0].endswith("…")  # What is left out is told of.


def test_json_tells_all_fields(past: None, run: Run) -> None:
    progress, *_ = run("history", "--events", "--json").json
    assert (progress["type"], progress["id"], progress["time"]) == ("task-progress", WHOLE, T0 + 3)
    assert progress["fields"] == {"step": EVIL, "password": "[redacted]"}
    newest, oldest = run("history", "--findings", "--json").json
    assert newest["ended"] is None and (oldest["began"], oldest["ended"]) == (T0, T0 + 9)
    mail, _ = run("history", "--samples", "--json").json
    assert (mail["queue"], mail["messages"], mail["unacked"], mail["worker"]) == ("mail", 40, None, None)
    lines = run("history", "--samples", "--format", "ndjson").out.splitlines()
    assert [json.loads(line) for line in lines] == run("history", "--samples", "--json").json


def test_an_export_is_a_new_private_file(past: None, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "events.csv"
    ran = run("history", "--events", "--export", str(target))
    assert (ran.code, ran.out) == (0, "") and "3 events in" in ran.err
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["'=cmd|mail"] * 3 and rows[0]["received"] == str(T0 + 3.01)
    assert json.loads(rows[0]["fields"])["step"] == EVIL and rows[2]["fields"] == "{}"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert run("history", "--events", "--export", str(target)).code == 2


@pytest.mark.soak  # With pyarrow, which takes 150 MB.
@pytest.mark.parametrize("kind", ["events", "findings", "samples"])
def test_parquet_holds_what_csv_does(past: None, run: Run, tmp_path: Path, kind: str) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    for name in ("a.parquet", "a.csv"):
        assert run("history", f"--{kind}", "--export", str(tmp_path / name)).code == 0
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    with (tmp_path / "a.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    assert len(rows) == len(told) > 1 and list(rows[0]) == list(told[0])
    for row, line in zip(rows, told, strict=True):
        plain = {name: "" if value is None else str(value) for name, value in row.items()}
        assert plain == {name: text.removeprefix("'") for name, text in line.items()}


@pytest.mark.parametrize("kind", ["--events", "--findings", "--samples"])
def test_nothing_found_and_nothing_recorded_are_told(past: None, run: Run, kind: str) -> None:
    ran = run("history", kind, "nothing-like-it")
    assert ran.code == 1 and f"No {kind[2:-1]} matches 'nothing-like-it'." in ran.err
    ran = run("--broker", "redis://db/1", "history", kind, broker=False)
    assert ran.code == 1 and "Nothing has been recorded" in ran.err


def test_what_cannot_be_read_is_told_and_gives_its_code(past: None, run: Run, tmp_path: Path) -> None:
    directory = files_of(Profile(broker="redis://db/0")).directory
    (directory / "2099-01-01-000.sqlite3").write_bytes(b"no database at all" * 99)
    ran = run("history", "--events")
    assert ran.code == 5 and "Not read: 2099-01-01-000.sqlite3" in ran.err and len(ran.out.splitlines()) == 4
    ran = run("history", "--events", "nothing-like-it", "--export", str(tmp_path / "x.csv"))
    assert ran.code == 5 and "Nothing is exported" in ran.err and not list(tmp_path.glob("x.*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--events", "--samples"], "--events or --samples: each is a list of its own"),
        (["--events", "typ:x"], "Did you mean type"),
        (["--samples", "--since", "never"], "--since: 'never' is no time"),
        (["--findings", "--export", "x.xls"], "Nothing tells the format"),
    ],
)
def test_what_cannot_be_is_said(past: None, run: Run, words: list[str], told: str) -> None:
    ran = run("history", *words)
    assert ran.code == 2 and told in ran.err and ran.out == ""
