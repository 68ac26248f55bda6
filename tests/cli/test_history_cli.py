"""`lazycelery history` and `lazycelery stats`."""

from __future__ import annotations

import csv
import errno
import importlib
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions.dealt import DealtFile
from lazycelery.actions.journal import Header, Item, Journal
from lazycelery.cli import exporting
from lazycelery.engine.memory import Memory, files_of
from lazycelery.model.history import HistoryPage, HistoryQuery, HistoryStatus
from lazycelery.model.profile import Profile
from lazycelery.model.relief import Relief
from lazycelery.model.sla import Burn, Objective
from lazycelery.model.statistics import StatisticsRow
from lazycelery.model.task import Task
from lazycelery.store.history import let_go
from lazycelery.store.history.reader import File
from tests.cli.conftest import Ran
from tests.cli.fake_engine import NOW, FakeEngine
from tests.history.keeping import Monitor
from tests.store.build import T0, event, failed, received, sent, started, succeeded

Run = Callable[..., Ran]


@pytest.fixture
def past() -> None:
    """Three tasks in the history of redis://db/0, of which no server is asked."""
    monitor = Monitor(files_of(Profile(broker="redis://ada:pw@db/0"))).start()
    monitor.hear(sent(0, "a"), received(0.1, "a"), started(0.2, "a"), succeeded(1.2, "a"))
    told = {"kwargs": "{'password': 'hunter2'}", "args": "('order-4711', '=1+1')"}
    monitor.hear(received(1, "b", name="mail.send", **told), started(2, "b"), failed(3, "b"))
    monitor.hear(received(4, "c"), started(4, "c"))
    monitor.hear(event("progress", 5, "c", extra={"step": 1}))
    monitor.stop()


def test_it_shows_the_newest_first_and_how_far_it_reaches(past: None, run: Run) -> None:
    ran = run("history")
    lines = ran.out.splitlines()
    assert ran.code == 0 and lines[0].split()[:4] == ["TIME", "ID", "STATE", "TASK"]
    assert [line.split()[2] for line in lines[1:]] == ["c", "b", "a"]
    assert "order-4711" in ran.out and "hunter2" not in ran.out
    assert re.search(r"The history reaches back to 20.{17}, and was last written at 20.{17}\.", ran.err)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--since", "99x"], "--since: '99x' is no time"),
        (["state:failure", "name:mail.*", "--until", "99x"], "--until: '99x' is no time"),
        (["state:failure", "--since", "2h", "--until", "99x"], "--until: '99x' is no time"),
        (["state:failure", "--since", "99x", "--until", "2h"], "--since: '99x' is no time"),
        (["state:failure", "since:99x", "--until", "2h"], "column 21: '99x' is no time"),
        (["--record", "a.tape"], "Nothing is watched here, so that there is nothing to record."),
    ],
)
def test_what_is_wrong_is_named_as_it_was_typed(past: None, run: Run, words: list[str], told: str) -> None:
    ran = run("history", *words)
    assert ran.code == 2 and ran.err.splitlines()[0].removesuffix(".") == f"Error: {told}".removesuffix(".")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["state:failure"], ["b"]),
        (["order-4711"], ["b"]),
        (["-state:failure"], ["c", "a"]),
        (["--limit", "2"], ["c", "b"]),
        (["--since", "2000-01-01"], ["c", "b", "a"]),
        (["--until", "2000-01-01 10:00"], []),
        (["name:mail.*", "--since", "2000-01-01T10:00"], ["b"]),
    ],
)
def test_filters_and_times_narrow_it_down(past: None, run: Run, words: list[str], wanted: list[str]) -> None:
    ran = run("history", "--json", *words)
    assert [task["id"] for task in ran.json] == wanted
    assert ran.code == (0 if wanted else 1)


def test_what_we_noted_ourselves_is_looked_for_too(past: None, run: Run) -> None:
    DealtFile("redis://db/0|").mark(["b"], T0 + 10, "refunded", False)
    header = Header(
        plan="7f3a1c20",
        action="retry",
        title="t",
        time=T0,
        user="ada",
        host="db1",
        profile="default",
        broker="redis://db/0",
        count=1,
        tag="night",
    )
    Journal.create(header, [Item(n=0, target="b", new_id="c")]).close()
    for words, wanted in (
        (["dealt:yes"], ["b"]),
        (["dealt:no"], ["c", "a"]),
        (["tag:night"], ["c"]),
        (["-tag:night", "-dealt:yes"], ["a"]),
    ):
        assert [task["id"] for task in run("history", "--json", *words).json] == wanted, words


def test_what_is_cut_is_said(past: None, run: Run) -> None:
    assert "Showing the newest 1." in run("history", "--limit", "1").err
    assert "Showing" not in run("history", "--limit", "3").err


def test_ndjson_is_a_task_a_line(past: None, run: Run) -> None:
    ran = run("history", "--format", "ndjson")
    tasks = [json.loads(line) for line in ran.out.splitlines()]
    assert [task["id"] for task in tasks] == ["c", "b", "a"]
    assert tasks[1]["error"] == "ValueError('x')" and tasks[1]["truncated"] == ["kwargs"]
    assert tasks[2]["marks"] == ["history"] and tasks[2]["wait"] == pytest.approx(0.2)


def test_an_export_is_a_new_private_file(past: None, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    ran = run("history", "--export", str(target))
    assert (ran.code, ran.out) == (0, "") and "3 tasks in" in ran.err
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["c", "b", "a"]
    assert rows[1]["args"] == "('order-4711', '=1+1')" and rows[0]["finished"] == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600 or sys.platform == "win32"
    again = run("history", "--export", str(target))
    assert again.code == 2 and "already there" in again.err
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock")
def test_of_two_exports_to_one_file_the_second_is_refused(past: None, run: Run, tmp_path: Path) -> None:
    """The first one stays whole; what a crash left is no other export."""
    target = tmp_path / "all.ndjson"
    target.with_name("all.ndjson.part").write_text("left by a crash\n" * 9)
    with exporting.sink("ndjson", target) as first:
        first.add(Task(id="t1"))
        second = run("history", "--export", str(target))
        assert second.code == 2 and "another export" in second.err
        first.add(Task(id="t2"))
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == ["t1", "t2"]
    assert [path.name for path in tmp_path.iterdir()] == ["all.ndjson"]


def test_days_that_are_removed_while_an_export_reads_them_are_told(
    past: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.cli.commands.history.PAGE", 1)
    files = files_of(Profile(broker="redis://ada:pw@db/0"))
    later = Monitor(files, lambda: T0 + 2 * 86_400).start()
    later.hear(received(2 * 86_400, "newest"))
    later.stop()
    files.days = 1
    asked, ask = [0], Memory.ask

    async def asking(self: Memory, query: HistoryQuery) -> HistoryPage:
        page = await ask(self, query)
        asked[0] += 1
        if asked[0] == 2:  # It is in the middle of the file that goes.
            assert len(files.sweep(T0 + 2 * 86_400).removed) == 1
        return page

    monkeypatch.setattr(Memory, "ask", asking)
    ran = run("history", "--format", "ndjson", "--limit", "100")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ["newest", "c"]
    assert ran.err.count("Not read: its oldest part, which was removed meanwhile") == 1


def test_a_file_that_the_first_page_could_not_read_is_told_after_the_last(
    past: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.cli.commands.history.PAGE", 1)
    directory = files_of(Profile(broker="redis://ada:pw@db/0")).directory
    (directory / "2099-01-01-000.sqlite3").write_bytes(b"no database" * 500)
    ran = run("history", "--limit", "3", "--format", "ndjson")
    assert len(ran.out.splitlines()) == 3 and ran.err.count("Not read: 2099-01-01-000.sqlite3") == 1


def spoiled(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make the row of one of the three tasks one that stands on a bad page."""
    sound = File._sound

    def checked(self: File, query: str, values: Any, low: int, below: int) -> list[Any]:
        rows = sound(self, query, values, low, below)
        if any(row[1] == name for row in rows):
            raise self._unreadable(sqlite3.DatabaseError("database disk image is malformed"))
        return rows

    monkeypatch.setattr(File, "_sound", checked)


def test_a_part_that_cannot_be_read_is_counted_and_has_its_exit_code(
    past: None, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoiled(monkeypatch, "b")
    ran = run("history", "--json")
    assert ran.code == 5 and [task["id"] for task in ran.json] == ["c", "a"]
    assert "Not read: what is on the bad pages of" in ran.err and "1 task at least" in ran.err
    nothing = run("history", "state:failure")
    assert nothing.code == 5 and "No task matches 'state:failure' in what could be read." in nothing.err
    target = tmp_path / "some.ndjson"
    assert run("history", "--export", str(target)).code == 5 and len(target.read_text().splitlines()) == 2
    failed = run("history", "state:failure", "--export", str(tmp_path / "none.ndjson"))
    assert failed.code == 5 and "Nothing is exported" in failed.err and "0 tasks" not in failed.err
    assert [path.name for path in tmp_path.iterdir()] == ["some.ndjson"]


def test_a_history_of_which_nothing_can_be_read_is_no_empty_one(past: None, run: Run, tmp_path: Path) -> None:
    [path] = files_of(Profile(broker="redis://ada:pw@db/0")).all()
    path.write_bytes(b"no database" * 5000)
    ran = run("history")
    assert ran.code == 3 and f"Not read: {path.name} is damaged" in ran.err and len(ran.err.splitlines()) == 1
    failed = run("history", "--export", str(tmp_path / "all.csv"))
    assert failed.code == 3 and "Nothing is exported" in failed.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [[], ["--events"]])
def test_a_history_that_one_may_not_look_into_is_no_empty_one(
    past: None, run: Run, monkeypatch: pytest.MonkeyPatch, kind: list[str]
) -> None:
    own, real = files_of(Profile(broker="redis://db/0")).directory, os.scandir

    def refused(path: Any) -> Any:
        if path == own:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)  # Root may look into all.
    ran = run("history", *kind)
    assert (ran.code, ran.out) == (3, "")
    assert f"Not read: {own}: Permission denied." in ran.err and "Nothing has been" not in ran.err


@pytest.mark.parametrize("driver", [True, False])
def test_a_database_that_cannot_be_reached_is_no_empty_history(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: bool
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[profiles.p]\nbroker = "redis://db/0"\nhistory_url = "postgresql://a@127.0.0.1:1/d"\n')
    if not driver:
        monkeypatch.setitem(sys.modules, "psycopg", None)
    ran = run("--config", str(config), "--profile", "p", "history", broker=False)
    why = "connection refused" if driver else "psycopg"
    assert ran.code == 3 and "Not read: " in ran.err and why in ran.err and "recorded" not in ran.err


def test_where_nobody_can_record_the_screen_is_no_help(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lazycelery.store.history.local.os.access", lambda path, how: False)
    ran = run("history")
    assert ran.code == 1 and "cannot be written" in ran.err and "The screen records" not in ran.err


def test_what_recorders_let_go_is_told_below_the_tasks(past: None, run: Run, tmp_path: Path) -> None:
    monitor = Monitor(files_of(Profile(broker="redis://ada:pw@db/0"))).start()
    counts = let_go.total(Relief(successes=11_733, missed=3.5), HistoryStatus(dropped=1))
    hour = let_go.Noting("host:1:1").due(T0, counts)
    assert hour is not None
    monitor.recorder.note(hour)
    monitor.stop()
    wanted = (
        "11,733 successful tasks let go under load, 3.5 s of events not heard under load, "
        "1 event that could not be written."
    )
    assert wanted in run("history").err
    assert wanted in run("history", "--export", str(tmp_path / "all.csv")).err


def test_json_and_ndjson_exports_hold_the_same(past: None, run: Run, tmp_path: Path) -> None:
    whole, lines = tmp_path / "a.json", tmp_path / "a.ndjson"
    run("history", "--export", str(whole))
    run("history", "--export", str(lines))
    assert json.loads(whole.read_text()) == [json.loads(line) for line in lines.read_text().splitlines()]
    empty = tmp_path / "none.json"
    assert run("history", "nothing-like-it", "--export", str(empty)).code == 1
    assert json.loads(empty.read_text()) == []


def test_json_is_one_line_and_on_a_terminal_several(
    past: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run("history", "--json").out
    assert len(json.loads(out)) == 3 and out.count("\n") == 1 and out.endswith("]\n")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run("history", "--json").out.count("\n") == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--export", "tasks.xls"], "Nothing tells the format"),
        (["--export", "tasks.csv", "--format", "table"], "A table is for people"),
        (["--format", "parquet"], "Parquet goes to a file"),
        (["stat:failure"], "Did you mean state"),
        (["--export", "no/such/place.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_said(past: None, run: Run, words: list[str], told: str) -> None:
    ran = run("history", *words)
    assert ran.code == 2 and told in ran.err and ran.out == ""


@pytest.mark.parametrize(
    "words",
    [
        *(["history", f"--{option}"] for option in ("since", "until", "record")),
        *(["errors", f"--{option}"] for option in ("since", "record")),
        ["stats", "--window"],
        *(["send", "shop.charge", f"--{option}"] for option in ("eta", "expires")),
    ],
    ids=" ".join,
)
def test_an_empty_value_is_not_left_out(run: Run, words: list[str]) -> None:
    """Of a variable that is not set: it would mean all there is, or now."""
    ran = run(*words, "")
    assert ran.code == 2 and f"{words[-1]}': '' tells nothing" in ran.err and ran.out == ""


@pytest.mark.soak  # With pyarrow, which takes 150 MB.
def test_a_parquet_export_holds_what_a_csv_export_does(past: None, run: Run, tmp_path: Path) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    for name in ("a.parquet", "a.csv"):
        assert run("history", "--export", str(tmp_path / name)).code == 0
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    with (tmp_path / "a.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["c", "b", "a"] and list(rows[0]) == list(told[0])
    for row, line in zip(rows, told, strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == line
    assert stat.S_IMODE((tmp_path / "a.parquet").stat().st_mode) == 0o600 or sys.platform == "win32"


def test_parquet_without_its_library_says_what_to_install(
    past: None, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ran = run("history", "--export", str(tmp_path / "a.parquet"))
    assert ran.code == 2 and "pip install pyarrow" in ran.err and not list(tmp_path.iterdir())


def test_without_a_history_it_says_who_records(run: Run) -> None:
    ran = run("history")
    assert ran.code == 1 and "Nothing has been recorded" in ran.err


def test_it_needs_to_know_whose_history(run: Run) -> None:
    ran = run("history", broker=False)
    assert ran.code == 2 and "No broker is known" in ran.err


def test_another_profile_has_another_history(past: None, run: Run) -> None:
    assert run("--broker", "redis://db/1", "history", broker=False).code == 1


def rows(**own: Any) -> list[StatisticsRow]:
    told = {"succeeded": 38, "failed": 2, "retried": 10, "rate": 0.5, "failure_share": 0.05}
    return [StatisticsRow(kind="task", key="shop.charge", runtime_p99=12.0, **{**told, **own})]


def test_stats_shows_a_line_a_name(engine: FakeEngine, run: Run) -> None:
    engine.figures = rows()
    ran = run("stats", "--window", "6h")
    assert ran.code == 0 and engine.asked["statistics"] == ("task", 21_600.0)
    assert ran.out.splitlines()[1].split()[:5] == ["shop.charge", "50", "0.5/s", "5%", "-"]
    assert "Counted since" in ran.err and ", 1m30s of it were watched." in ran.err
    assert run("stats", "--json").json["rows"][0]["runtime_p99"] == 12.0
    assert "figures" not in ran.err
    engine.kept = HistoryStatus(state="reading", recorded=3000)
    assert "The recorded history's figures are not there yet." in run("stats").err
    assert "are of whole hours" in run("stats", "--window", "30m").err
    engine.recorded_until = NOW - 42
    told = run("stats").err
    assert "The recorded history's figures reach to about 20" in told and "a minute at most" in told


def test_stats_tells_now_and_before_and_why_a_time_is_not_known(engine: FakeEngine, run: Run) -> None:
    engine.figures = rows()
    ran = run("stats", "--usual", "--by", "queue")
    assert ran.code == 0 and engine.asked["compared"] == ("queue", 3600.0)
    lines = [line.split() for line in ran.out.splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["shop.charge", "now", "50"],
        ["an", "hour", "ago"],
        ["a", "day", "ago"],
    ]
    assert lines[3][3:6] == ["0", "0.0/s", "-"]
    assert "A week ago: no history of that day: history_days = 7" in ran.err
    told = run("stats", "--usual", "--json").json
    assert told["rows"][0]["rows"]["week"] is None and told["rows"][0]["rows"]["day"]["succeeded"] == 0
    assert run("stats", "--usual", "--window", "2h").code == 2


def test_stats_tells_the_targets_of_the_profile_and_what_is_left(engine: FakeEngine, run: Run) -> None:
    ran = run("stats", "--sla")
    assert ran.code == 1 and "The profile has no targets" in ran.err
    engine.targets = [
        Objective(
            pattern="shop.*",
            aim="success",
            share=0.999,
            window=604_800.0,
            seen=93_600.0,
            events=120_400,
            bad=240,
            kept=0.998,
            budget_left=-1.0,
            burn={"5m": Burn(rate=18.4), "30m": Burn(), "1h": Burn(rate=2.0), "6h": Burn(rate=0.5)},
        )
    ]
    ran = run("stats", "--sla")
    assert ran.code == 0
    told = ran.out.splitlines()[1].split()
    assert told[:7] == ["shop.*", "success", "0.999", "0.998", "120,400", "-100%", "7d00h"]
    assert told[7:] == ["1d02h", "18.4", "-", "2.0", "0.5"]
    assert run("stats", "--sla", "--json").json[0]["burn"]["30m"]["rate"] is None


def test_stats_of_nothing_says_what_would_show_some(engine: FakeEngine, run: Run) -> None:
    ran = run("stats", "--by", "queue")
    assert ran.code == 1 and "--observe 10" in ran.err and engine.asked["statistics"][0] == "queue"


@pytest.mark.parametrize("window", ["0s", "3w", "x", "-5m", "49h", "nan", "1e9"])
def test_stats_takes_a_window_up_to_two_days(engine: FakeEngine, run: Run, window: str) -> None:
    assert run("stats", f"--window={window}").code == 2


def test_times_are_those_of_the_task(past: None, run: Run) -> None:
    newest = run("--json", "history", "--limit", "1").json[0]
    assert newest["started"] == T0 + 4


@pytest.mark.parametrize("command", ["tasks", "status", "queues"])
def test_a_command_of_a_moment_records_nothing(engine: FakeEngine, run: Run, command: str) -> None:
    run(command)
    assert engine.started and not engine.profile.recorder


def test_a_doctor_that_goes_on_watching_records(engine: FakeEngine, run: Run) -> None:
    engine.problem = KeyboardInterrupt()
    run("doctor", "--watch", "5")
    assert engine.profile.recorder


@pytest.mark.parametrize("form", ["ndjson", "csv", "json", "table"])
def test_a_reader_that_has_enough_ends_it_well_and_quietly(form: str) -> None:
    monitor = Monitor(files_of(Profile(broker="redis://db/0"))).start()
    monitor.hear(*(received(number / 100, f"task-{number}", args="x" * 50) for number in range(5_000)))
    monitor.stop()
    words = ["--broker", "redis://db/0", "history", "--limit", "5000", "--format", form]
    command = [sys.executable, "-m", "lazycelery", *words]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None and program.stderr is not None
    assert program.stdout.read(100)
    program.stdout.close()
    told = program.stderr.read()
    assert (program.wait(20), told) == (0, b"")
