from __future__ import annotations

import base64
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import backup
from lazycelery.actions.backup import BackupFile, BackupWriter, Header, Line, default_path
from lazycelery.errors import NothingFound, Refused
from lazycelery.model.profile import Profile

HEADER = Header(time=1.0, broker="redis://b", transport="redis", queue="default")


def line(number: int, priority: int = 0) -> Line:
    return Line(queue="default", priority=priority, position=number, raw=bytes([number % 256, 0, 255]))


def written(path: Path, *lines: Line) -> Path:
    writer = BackupWriter(path, HEADER)
    writer.add(lines)
    return writer.finish()


def restored(file: BackupFile, **how: Any) -> list[bytes]:
    return [message.raw for page in file.pages(**how) for message in page]


def test_exact_bytes_come_back_with_their_places(tmp_path: Path) -> None:
    path = written(tmp_path / "b.ndjson", line(0), line(1), line(0, priority=3))
    file = BackupFile(path)
    assert restored(file) == [b"\x00\x00\xff", b"\x01\x00\xff", b"\x00\x00\xff"]
    assert file.counts == {("default", 0): 2, ("default", 3): 1}
    assert file.complete
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert base64.b64decode(json.loads(path.read_text().splitlines()[1])["raw"]) == b"\x00\x00\xff"


def test_pages_are_read_from_either_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "PAGE", 3)
    file = BackupFile(written(tmp_path / "b.ndjson", *(line(number) for number in range(8))))
    assert [[m.position for m in page] for page in file.pages()] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [[m.position for m in page] for page in file.pages(last_first=True)] == [
        [6, 7],
        [3, 4, 5],
        [0, 1, 2],
    ]


def test_pages_are_bounded_in_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "PAGE_BYTES", 150)
    file = BackupFile(written(tmp_path / "b.ndjson", *(line(number) for number in range(5))))
    assert [len(page) for page in file.pages()] == [1, 1, 1, 1, 1]


def test_an_interrupted_backup_gives_its_whole_lines_and_says_so(tmp_path: Path) -> None:
    writer = BackupWriter(tmp_path / "b.ndjson", HEADER)
    writer.add([line(0), line(1)])
    part = writer.keep()
    with part.open("ab") as file:
        file.write(b'{"line":"message","queue":"def')
    found = BackupFile(part)
    assert (found.complete, found.dropped, found.total) == (False, True, 2)
    assert len(restored(found)) == 2


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "b.ndjson", line(0), line(1))
    path.write_bytes(path.read_bytes().replace(b'"position":1', b'"position":7'))
    with pytest.raises(Refused, match="checksum"):
        BackupFile(path)


def test_a_lost_line_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "b.ndjson", line(0), line(1))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(Refused, match="checksum"):
        BackupFile(path)


def test_something_after_the_footer_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "b.ndjson", line(0))
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(Refused, match="damaged"):
        BackupFile(path)


def test_garbage_in_the_middle_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "b.ndjson", line(0), line(1))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[2:]]))
    with pytest.raises(Refused, match="line 3 cannot be read"):
        BackupFile(path)


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"line":"footer","count":0,"sha256":""}\n', b"[1]\n"])
def test_other_files_are_no_backups(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(Refused, match="is not a backup"):
        BackupFile(path)


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "b.ndjson", line(0))
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    with pytest.raises(Refused, match="format 2"):
        BackupFile(path)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NothingFound):
        BackupFile(tmp_path / "none")


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "b.ndjson"
    path.write_text("precious")
    with pytest.raises(Refused, match="it exists"):
        BackupWriter(path, HEADER)
    path.unlink()
    first = BackupWriter(path, HEADER)
    with pytest.raises(Refused):
        BackupWriter(path, HEADER)
    path.write_text("precious")
    with pytest.raises(Refused, match="it exists"):
        first.finish()
    assert path.read_text() == "precious"


def test_names_are_sanitised_and_free(tmp_path: Path) -> None:
    profile = Profile(backup_dir=str(tmp_path))
    first = default_path(profile, "../../etc/pass wd\x1b", 0)
    assert first == tmp_path / "19700101T000000Z-etc_pass_wd.ndjson"
    BackupWriter(first, HEADER).keep()
    assert default_path(profile, "../../etc/pass wd\x1b", 0).name == "19700101T000000Z-etc_pass_wd-2.ndjson"
    # A plan that is gone on with from another directory finds it.
    assert default_path(Profile(backup_dir="kept"), "q", 0).is_absolute()


def test_the_default_directory_is_in_the_state_directory_and_private(tmp_path: Path) -> None:
    path = default_path(Profile(), "q", 0)
    assert path.parent.name == "backups"
    assert str(path).startswith(os.environ["XDG_STATE_HOME"]) or os.uname().sysname != "Linux"
    written(path, line(0))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_every_page_is_on_the_disk_before_add_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd))[1])
    writer = BackupWriter(tmp_path / "b.ndjson", HEADER)
    synced.clear()
    writer.add([line(0)])
    assert synced == [writer.part.stat().st_size]


def test_a_full_disk_is_a_refusal_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = BackupWriter(tmp_path / "b.ndjson", HEADER)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Refused, match="No space left") as refused:
        writer.add([line(0)])
    assert "--backup" in refused.value.hint
    assert writer.count == 0
