"""config.example.toml: every setting is there, and every one of them is right."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from lazycelery.config import Options, load, starter, toml
from lazycelery.config.schema import CLUSTER, PROFILE, THEMES, UI
from lazycelery.config.settings import UiSettings
from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile

ROOT = Path(__file__).resolve().parents[2]


def uncommented() -> str:
    return re.sub(r"^#(?=[\[a-z])", "", starter.text(), flags=re.MULTILINE)


def test_the_example_in_the_repository_is_the_file_that_init_writes():
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == starter.text()


def test_as_it_is_written_it_sets_nothing():
    assert toml.loads(starter.text()) == {}


def test_uncommented_it_loads_with_every_profile(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_text(uncommented(), encoding="utf-8")
    for name in ("local", "prod", "staging"):
        environ = {"SENTINEL_PASSWORD": "x", "SLACK_WEBHOOK": "https://h/x"}
        settings = load(Options(config=str(path), profile=name), environ, fetch_secrets=False)
        assert settings.profiles == ["local", "prod", "staging"]
        assert settings.profile.name == name


def test_no_setting_is_missing_and_none_is_strange():
    data = toml.loads(uncommented())
    assert set(data) == {"default_profile", "ui", "keymap", "profiles"}
    assert set(data["ui"]) == set(UI)
    inside = {key for profile in data["profiles"].values() for key in profile}
    assert inside == {*PROFILE, "keymap", "views"}


def test_a_value_that_is_called_the_default_is_the_default():
    data = toml.loads(uncommented())
    examples = {
        "broker",
        "backend",
        "beat",
        "beat_prefix",
        "allow",
        "queues",
        "redact",
        "prefix",
        "result_prefix",
        "audit_file",
        "backup_dir",
        "history_dir",
        "history_url",
        "history_name",
    }
    local = data["profiles"]["local"]
    for key in set(local) & set(CLUSTER) - examples:
        assert local[key] == getattr(Profile(), key), key
    for key in set(data["ui"]) & set(UiSettings.__struct_fields__):
        assert data["ui"][key] == getattr(UiSettings(), key), key


def test_the_table_of_settings_has_every_field_of_the_profile():
    own = {"name", "workers_grace", "recorder", "record", "alerting", "glance"}
    ways = {"history_password_command", "history_keyring"}  # No values of their own to be shown.
    assert own | ways | set(CLUSTER) == set(Profile.__struct_fields__)
    assert {*UI} - {"refresh"} | {"keymap"} == set(UiSettings.__struct_fields__)
    assert "dark" in THEMES


def test_init_writes_a_private_file_and_never_over_another(tmp_path: Path):
    path = tmp_path / "new" / "config.toml"
    starter.write(path)
    assert path.read_text(encoding="utf-8") == starter.text()
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("mine")
    with pytest.raises(UsageError, match="already there"):
        starter.write(path)
    assert path.read_text() == "mine"


def test_init_says_when_it_cannot_write(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        starter.write(tmp_path / "file" / "config.toml")


def test_the_themes_are_those_of_the_screen():
    from lazycelery.tui import themes

    assert set(THEMES) == set(themes.THEMES)


def test_the_documentation_names_every_setting():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    missing = [key for key in {*UI, *PROFILE} if f"`{key}`" not in text]
    assert missing == []


def test_the_example_in_the_documentation_loads(tmp_path: Path):
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    path = tmp_path / "config.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    for name in ("dev", "prod"):
        load(Options(config=str(path), profile=name), {}, fetch_secrets=False)
