"""What was typed before: kept, bounded, and never a secret."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from lazycelery.tui.history import MOST, History
from tests.tui.conftest import staged


def test_lines_come_back_in_the_next_session(tmp_path: Path) -> None:
    first = History(lambda: tmp_path / "state")
    for line in ("state:failure", "name:mail.*", "state:failure"):
        assert first.add("tasks", line)
    first.save()
    second = History(lambda: tmp_path / "state")
    second.load()
    assert second.lines("tasks") == ["name:mail.*", "state:failure"]
    assert second.lines("commands") == []


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    history = History(lambda: tmp_path)
    history.add("tasks", "x")
    history.save()
    assert stat.S_IMODE((tmp_path / "history.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["history.json"]


def test_it_stays_bounded() -> None:
    history = History()
    for number in range(MOST + 50):
        history.add("tasks", f"id:{number}")
    assert len(history.lines("tasks")) == MOST and history.lines("tasks")[-1] == f"id:{MOST + 49}"
    assert not history.add("tasks", "x" * 501)


@pytest.mark.parametrize(
    "text", ["password=hunter22", "redis://:secret@db1:6379/0", "kwargs.api_key:abcdefgh123"]
)
def test_what_may_be_a_secret_is_not_kept(text: str) -> None:
    history = History()
    assert not history.add("tasks", text)
    assert history.lines("tasks") == []


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"tasks": 3}', '{"tasks": [1, null]}'])
def test_a_broken_file_is_no_history(tmp_path: Path, content: str) -> None:
    (tmp_path / "history.json").write_text(content)
    history = History(lambda: tmp_path)
    history.load()
    assert list(history.lines("tasks")) == []


async def test_a_filter_is_remembered_when_it_is_entered(tmp_path: Path) -> None:
    async with staged() as stage:
        await stage.press("3", "slash", *"state:failure", "enter")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        await stage.press("escape", "slash", "up", "enter")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        file = Path(stage.app.history._file())
        await stage.until(file.exists)
        assert json.loads(file.read_text())["tasks"] == ["state:failure"]
