"""Saved views in their files: the configuration with all its comments, or the state directory."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lazycelery.config import Options, load, toml
from lazycelery.config.views import Shelf, written
from lazycelery.errors import UsageError
from lazycelery.model.view import SavedView
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.pty
MINE = """# My clusters.
default_profile = "prod"   # the one that matters

[profiles.prod]
broker = "redis://127.0.0.1:1/0"  # never asked in this test
redact = [
  "iban",  # of customers
]

# Views I like.
[profiles.prod.views]
slow = { filter = "runtime:>5s", sort = "runtime" }

[profiles.dev]
broker = "redis://127.0.0.1:2/0"
"""
LATE = SavedView(filter='queue:mail error:~"time out"', sort="wait", reverse=True)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(MINE)
    path.chmod(0o640)
    return path


@pytest.fixture
def shelf(config: Path, tmp_path: Path) -> Shelf:
    given = load(Options(config=str(config)), {}).shelf.views
    return Shelf("prod", config, given, lambda: tmp_path / "state" / "views.toml")


def test_only_the_views_line_is_new(shelf: Shelf, config: Path) -> None:
    assert shelf.save("late-mail", LATE) == (config, "")
    before, after = MINE.splitlines(), config.read_text().splitlines()
    new = [line for line in after if line not in before]
    assert len(new) == 1 and new[0].startswith("late-mail = {")
    assert [line for line in after if line in before] == before
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    again = load(Options(config=str(config)), {}).shelf
    assert again.views == {"slow": SavedView(filter="runtime:>5s", sort="runtime"), "late-mail": LATE}
    again.forget("late-mail")
    assert config.read_text() == MINE


def test_a_view_of_a_filter_alone_is_a_text(shelf: Shelf, config: Path) -> None:
    shelf.save("mail", SavedView(filter="queue:mail"))
    assert 'mail = "queue:mail"' in config.read_text()
    shelf.save("mail", SavedView(filter="queue:mail", sort="wait"))
    assert toml.loads(config.read_text())["profiles"]["prod"]["views"]["mail"] == {
        "filter": "queue:mail",
        "sort": "wait",
    }


def test_a_profile_without_views_gets_its_table(config: Path, tmp_path: Path) -> None:
    Shelf("dev", config, {}, lambda: tmp_path / "no").save("mail", SavedView(filter="queue:mail"))
    assert config.read_text().startswith(MINE)
    assert load(Options(config=str(config), profile="dev"), {}).shelf.views == {
        "mail": SavedView(filter="queue:mail")
    }


def test_line_ends_and_a_link_stay_what_they_are(shelf: Shelf, config: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_bytes(MINE.replace("\n", "\r\n").encode())
    config.unlink()
    config.symlink_to(real)
    shelf.save("mail", SavedView(filter="queue:mail"))
    assert config.is_symlink()
    assert real.read_bytes().count(b"\r\n") == MINE.count("\n") + 1
    assert b"\r\r" not in real.read_bytes()


@pytest.mark.parametrize("broken", ["not toml [", None])
def test_where_the_configuration_cannot_be_written_the_state_directory_takes_it(
    shelf: Shelf, config: Path, tmp_path: Path, broken: str | None
) -> None:
    if broken is None:
        config.unlink()
        config.mkdir()
    else:
        config.write_text(broken)
    place, why = shelf.save("late-mail", LATE)
    assert place == tmp_path / "state" / "views.toml" and why
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert toml.loads(place.read_text())["profiles"]["prod"]["views"]["late-mail"] == written(LATE)
    fresh = Shelf("prod", config, {}, lambda: place)
    fresh.load()
    assert fresh.views == {"late-mail": LATE}
    fresh.forget("late-mail")
    assert "late-mail" not in place.read_text()


def test_what_is_wrong_in_the_state_directory_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "views.toml"
    path.write_text('[profiles.default.views]\nx = "sate:failure"\n')
    with pytest.raises(UsageError, match=r"line 2: profiles.default.views.x should be a filter"):
        Shelf(state=lambda: path).load()


def test_the_real_screen_saves_and_another_one_shows(tmp_path: Path, config: Path) -> None:
    command = ("-m", "lazycelery", "--config", str(config))
    env = {"XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    first = Terminal(*command, **env)
    try:
        first.until("Not connected")
        first.send("3S")
        first.until("▾runtime")
        first.send(":save slowest\r")
        first.until("Saved slowest")
        assert 'sort = "runtime"' in config.read_text()
        first.send("q")
        assert first.ended() == 0
    finally:
        first.close()
    second = Terminal(*command, **env)
    try:
        second.until("Not connected")
        second.send(":view sl\t\t\r")
        second.until("▾runtime")
    finally:
        second.close()
