"""Names of ours under which somebody else laid something: nothing is written through them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.actions import files
from lazycelery.actions.audit import AuditLog
from lazycelery.actions.backup import BackupWriter, Header
from lazycelery.errors import Refused
from lazycelery.model.action import AuditEntry
from lazycelery.model.profile import Profile
from lazycelery.store.history import files as history
from lazycelery.store.history.lock import Lock
from lazycelery.store.history.marking import FileMarks
from lazycelery.tui.history import History

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="neither owners nor links there")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign"
    path.write_text("precious")
    path.chmod(0o644)
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("day.sqlite3", lambda place: history.make_private(place / "day.sqlite3")),
        (history.LOCK, lambda place: Lock(place).take()),
        (history.MARKS, lambda place: FileMarks(place).append(1.0, "ada", "{}")),
        ("x.lock", lambda place: files.open_private(place / "x.lock", os.O_RDWR | os.O_CREAT)),
    ],
)
def test_no_link_is_followed(
    foreign: Path, tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    (tmp_path / name).symlink_to(foreign)
    with pytest.raises(OSError):
        write(tmp_path)
    assert foreign.read_text() == "precious" and foreign.stat().st_mode & 0o777 == 0o644


def test_a_new_file_is_never_one_that_lies_there(foreign: Path, tmp_path: Path) -> None:
    new = tmp_path / "x.new"
    for lay in (new.symlink_to, new.hardlink_to):
        lay(foreign)
        os.close(files.new_private(new))
        assert new.read_text() == "" and not new.is_symlink() and new.stat().st_mode & 0o777 == 0o600
        new.unlink()
    assert foreign.read_text() == "precious"
    os.mkfifo(new)
    with pytest.raises(OSError, match="no file"):
        files.open_private(new, os.O_RDWR)


def test_what_was_typed_is_written_through_no_link(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / f"history.json.{os.getpid()}").symlink_to(foreign)
    lines = History(lambda: tmp_path)
    lines.add("filter", "state:failure")
    lines.save()
    assert foreign.read_text() == "precious" and not (tmp_path / "history.json").is_symlink()
    assert "state:failure" in (tmp_path / "history.json").read_text()


def test_an_audit_log_follows_links_of_ours_alone(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, target = tmp_path / "audit.ndjson", tmp_path / "audit-2026.ndjson"
    link.symlink_to(target.name)
    log = AuditLog(Profile(audit_file=str(link)))
    entry = AuditEntry(
        time=1.0,
        user="ada",
        host="h",
        profile="p",
        broker="b",
        action="purge",
        title="t",
        targets=["q"],
        outcome="done",
    )
    log.append(entry)
    assert len(log.read()) == 1 and target.read_text().count("ada") == 1
    monkeypatch.setattr(files.os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setattr(files, "SYSTEM", -1)
    with pytest.raises(Refused, match="a link of another user"):
        log.append(entry)


def test_a_backup_is_not_given_the_name_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "b.ndjson").symlink_to(tmp_path / "missing")
    header = Header(time=1.0, broker="b", transport="redis", queue="q")
    with pytest.raises(Refused, match="it exists"):
        BackupWriter(tmp_path / "b.ndjson", header)


def test_a_directory_that_another_user_made_holds_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = history.Files(tmp_path / "shared" / "prod-1234")
    place.make_directory()
    monkeypatch.setattr(history, "SYSTEM", -1)
    monkeypatch.setattr(history.os, "geteuid", lambda: os.getuid() + 1)
    place.make_directory()  # Nobody else may have made it.
    (tmp_path / "shared").chmod(0o1777)
    with pytest.raises(PermissionError, match="another user"):
        place.make_directory()
