"""CSV that neither a terminal nor a spreadsheet runs, and files that nobody else lays his hands on."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.cli import exporting, newfile
from lazycelery.engine.memory import files_of
from lazycelery.errors import UsageError
from lazycelery.model.action import AuditEntry
from lazycelery.model.profile import Profile
from lazycelery.model.task import Task
from tests.cli.conftest import Ran
from tests.cli.fake_engine import FakeEngine
from tests.history.keeping import Monitor
from tests.store.build import event, received, started

Run = Callable[..., Ran]
EVIL = "\x1b]0;PWNED\x07\x9b2J\u202e"
FORMULA = '=HYPERLINK("http://x.example","y")'
posix = pytest.mark.skipif(sys.platform == "win32", reason="neither owners nor links there")


@pytest.fixture
def past() -> None:
    """A failed task of redis://db/0 whose texts are none of ours."""
    monitor = Monitor(files_of(Profile(broker="redis://db/0"))).start()
    monitor.hear(received(0, "a", name=FORMULA, args=f"('{EVIL}',)"), started(1, "a"))
    monitor.hear(event("failed", 2, "a", exception=f"@SUM(1)\n{EVIL}"))
    monitor.stop()


def told(ran: Ran) -> dict[str, str]:
    return next(csv.DictReader(io.StringIO(ran.out, newline="")))


def test_csv_on_a_terminal_is_as_harmless_as_a_table(
    past: None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    ran = run("history", "--format", "csv")
    assert not set(ran.out) & set("\x1b\x07\x9b\u202e\t")
    assert told(ran)["args"] == "('␛]0;PWNED␇�2J�',)" and "␊" in told(ran)["error"]


def test_csv_for_a_pipe_or_a_file_is_whole(past: None, run: Run, tmp_path: Path) -> None:
    assert told(run("history", "--format", "csv"))["args"] == f"('{EVIL}',)"
    run("history", "--export", str(tmp_path / "a.csv"))
    assert EVIL in (tmp_path / "a.csv").read_text()


def test_no_cell_of_the_history_is_a_formula(past: None, run: Run, tmp_path: Path) -> None:
    row = told(run("history", "--format", "csv"))
    assert (row["name"], row["error"]) == (f"'{FORMULA}", f"'@SUM(1)\n{EVIL}")
    for form in ("json", "ndjson"):
        assert FORMULA in [json.loads(run("history", "--format", form).out.strip("[]\n"))["name"]]


def test_no_cell_of_the_audit_log_is_a_formula(engine: FakeEngine, run: Run, tmp_path: Path) -> None:
    facts = {"profile": "p", "broker": "redis://db/0", "targets": ["-x"], "outcome": "done"}
    engine.entries = [
        AuditEntry(time=1.0, user="=ada", host="h", action="retry", title=FORMULA, proof="+1 sent", **facts)  # type: ignore[arg-type]
    ]
    run("audit", "--export", str(tmp_path / "a.csv"))
    row = next(csv.DictReader((tmp_path / "a.csv").open(newline="")))
    assert (row["user"], row["title"], row["proof"]) == ("'=ada", f"'{FORMULA}", "'+1 sent")
    assert (row["targets"], row["time"]) == ('["-x"]', "1.0")


@pytest.mark.parametrize(
    "text", ["=1", "+a", "-cmd", "@x", "\t=1", "\r=1", "\n=1", "＝1", "－1+2", "-1+2", "+"]
)
def test_what_a_spreadsheet_would_run_is_marked(text: str) -> None:
    assert exporting.cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-5, -0.5, None, "-5", "+3.5", "-1e-7", "a=1", "'=1", "", " =1", "(-1,)"])
def test_numbers_stay_numbers_and_the_rest_stays_as_it_is(value: object) -> None:
    assert exporting.cell(value) == value


def export(target: Path) -> None:
    with exporting.sink("ndjson", target) as sink:
        sink.add(Task(id="t1"))


@posix
def test_a_part_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    foreign, target = tmp_path / "foreign", tmp_path / "a.ndjson"
    foreign.write_text("precious")
    for place in (foreign, tmp_path / "missing"):
        (tmp_path / "a.ndjson.part").symlink_to(place)
        with pytest.raises(UsageError, match="no file of yours"):
            export(target)
        assert foreign.read_text() == "precious" and not os.path.lexists(target)
        (tmp_path / "a.ndjson.part").unlink()
    os.mkfifo(tmp_path / "a.ndjson.part")
    with pytest.raises(UsageError, match="no file of yours"):
        export(target)


@posix
def test_a_part_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "a.ndjson.part"
    part.write_text("theirs")
    monkeypatch.setattr(newfile.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UsageError, match="no file of yours"):
        export(tmp_path / "a.ndjson")
    assert part.read_text() == "theirs"


@posix
def test_a_part_that_all_may_write_becomes_no_export(tmp_path: Path) -> None:
    """Somebody may have it open: he would write into the export. A second name of it stays as it was."""
    part, target, second = (tmp_path / name for name in ("a.ndjson.part", "a.ndjson", "second"))
    part.write_text("left by a crash")
    part.chmod(0o666)
    second.hardlink_to(part)
    export(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert json.loads(target.read_text())["id"] == "t1" and second.read_text() == "left by a crash"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ndjson", "second"]


@posix
def test_nothing_that_came_meanwhile_is_written_over(tmp_path: Path) -> None:
    target = tmp_path / "a.ndjson"
    with pytest.raises(UsageError, match="already there"), exporting.sink("ndjson", target):
        target.symlink_to(tmp_path / "missing")
    assert target.is_symlink()
    target.unlink()
    with pytest.raises(UsageError, match="Somebody else"), exporting.sink("ndjson", target):
        (tmp_path / "a.ndjson.part").unlink()
        (tmp_path / "a.ndjson.part").symlink_to(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["a.ndjson.part"]


@posix
def test_a_file_system_without_links_gets_its_export_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(newfile.os, "link", none)
    export(tmp_path / "a.ndjson")
    assert [path.name for path in tmp_path.iterdir()] == ["a.ndjson"]
