"""option > LAZYCELERY_* > chosen profile > CELERY_* > default."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.config import Options, load
from lazycelery.errors import UsageError
from lazycelery.model.action import PERMISSIONS

TWO = """
[profiles.dev]
broker = "redis://dev/0"
allow = ["all"]
[profiles.prod]
broker = "redis://prod/0"
production = true
refresh = 9
"""


def test_nothing_at_all_gives_the_defaults_and_tells_where_a_broker_was_looked_for():
    settings = load(Options(), {})
    assert settings.profile.broker == ""
    assert settings.profile.allow == []
    assert settings.source is None
    assert [line.split(":")[0] for line in settings.tried][::3] == ["--broker", "$CELERY_BROKER_URL"]


def test_each_layer_beats_the_one_below(loaded):
    environ = {"CELERY_BROKER_URL": "redis://celery/0"}
    assert loaded("", environ).profile.broker == "redis://celery/0"
    assert loaded(TWO, environ, profile="prod").profile.broker == "redis://prod/0"
    environ["LAZYCELERY_BROKER"] = "redis://own/0"
    assert loaded(TWO, environ, profile="prod").profile.broker == "redis://own/0"
    settings = loaded(TWO, environ, profile="prod", broker="redis://option/0")
    assert settings.profile.broker == "redis://option/0"
    assert settings.origins["broker"] == "--broker"


def test_every_value_knows_its_origin(loaded):
    settings = loaded(
        'default_profile = "prod"\n[ui]\nutc = true\n' + TWO,
        {"LAZYCELERY_TIMEOUT": "7", "LAZYCELERY_ASCII": "yes"},
    )
    assert settings.origins["profile"] == "default_profile in config.toml line 1"
    assert settings.origins["broker"] == "profiles.prod.broker in config.toml line 9"
    assert settings.origins["ui.utc"] == "ui.utc in config.toml line 3"
    assert settings.origins["timeout"] == "$LAZYCELERY_TIMEOUT"
    assert settings.origins["max_tasks"] == "default"
    assert (settings.profile.timeout, settings.ui.ascii, settings.profile.refresh) == (7.0, True, 9.0)


def test_a_profile_is_chosen_by_option_then_variable_then_file(loaded):
    text = 'default_profile = "dev"\n' + TWO
    assert loaded(text).profile.name == "dev"
    assert loaded(text, {"LAZYCELERY_PROFILE": "prod"}).profile.name == "prod"
    assert loaded(text, {"LAZYCELERY_PROFILE": "prod"}, profile="dev").profile.name == "dev"


def test_the_only_profile_needs_no_choice(loaded):
    assert loaded('[profiles.shop]\nbroker = "redis://shop/0"').profile.name == "shop"


def test_among_several_profiles_none_is_taken_by_chance(loaded):
    settings = loaded(TWO)
    assert settings.profile.broker == ""
    assert "none is chosen of dev, prod" in settings.tried[2]


def test_what_one_cluster_allows_is_not_applied_to_a_broker_given_by_hand(loaded):
    text = 'default_profile = "dev"\n' + TWO
    assert loaded(text).profile.allow == list(PERMISSIONS)
    assert loaded(text, broker="redis://prod/0").profile.allow == []
    assert loaded(text, {"LAZYCELERY_BROKER": "redis://prod/0"}).profile.allow == []
    assert loaded(text, broker="redis://prod/0", profile="dev").profile.allow == list(PERMISSIONS)


def test_read_only_wins_over_everything_and_cannot_be_unlocked(loaded):
    settings = loaded(TWO, {"LAZYCELERY_ALLOW": "all"}, profile="dev", allow=["retry"], read_only=True)
    assert settings.profile.allow == settings.profile.may_unlock == []
    assert settings.origins["allow"] == "--read-only"


def test_roles_and_permissions_mix(loaded):
    assert loaded("", allow=["operator", "purge"]).profile.allow == [
        "retry",
        "revoke",
        "purge",
        "events",
        "pool",
        "consumers",
        "limits",
    ]
    assert loaded("", {"LAZYCELERY_ALLOW": "retry, revoke"}).profile.allow == ["retry", "revoke"]


def test_an_empty_variable_is_one_that_is_not_set(loaded):
    assert (
        loaded("", {"LAZYCELERY_BROKER": "", "CELERY_BROKER_URL": "redis://a/0"}).profile.broker
        == "redis://a/0"
    )


def test_theme_and_refresh_of_the_profile_beat_those_of_the_screen(loaded):
    text = '[ui]\ntheme = "light"\nrefresh = 5\n[profiles.a]\nbroker = "redis://a"\ntheme = "terminal"\n'
    settings = loaded(text)
    assert (settings.ui.theme, settings.profile.refresh) == ("terminal", 5.0)
    assert loaded(text, {"LAZYCELERY_THEME": "dark"}).ui.theme == "dark"


def test_the_demo_takes_the_screen_and_no_cluster(config):
    path = config('[ui]\ntheme = "light"\n' + TWO)
    environ = {"CELERY_BROKER_URL": "redis://a/0", "LAZYCELERY_ALLOW": "all", "LAZYCELERY_UTC": "1"}
    settings = load(Options(config=str(path), profile=None), environ, cluster=False)
    assert (settings.ui.theme, settings.ui.utc) == ("light", True)
    assert (settings.profile.broker, settings.profile.allow) == ("", [])


def test_the_file_is_found_by_option_variable_and_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("option", "variable", "lazycelery/config"):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'[profiles."{name}"]\nbroker = "redis://x"')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    variable = {"LAZYCELERY_CONFIG": str(tmp_path / "variable.toml")}
    assert load(Options(config=str(tmp_path / "option.toml")), variable).profile.name == "option"
    assert load(Options(), variable).profile.name == "variable"
    assert load(Options(), {}).profile.name == "lazycelery/config"


@pytest.mark.parametrize("name", ["--config", "LAZYCELERY_CONFIG"])
def test_a_named_file_must_be_there(name: str):
    missing = "/nowhere/config.toml"
    option, environ = (missing, {}) if name == "--config" else (None, {name: missing})
    with pytest.raises(UsageError, match="no configuration file /nowhere"):
        load(Options(config=option), environ)


def test_a_profile_needs_a_file():
    with pytest.raises(UsageError, match="no configuration file") as caught:
        load(Options(profile="prod"), {})
    assert "config init" in caught.value.hint


def test_a_variable_that_is_nearly_ours_is_told(loaded):
    settings = loaded("", {"LAZYCELERY_BROKER_URL": "redis://x"})
    assert settings.warnings == ["$LAZYCELERY_BROKER_URL is not a setting. Did you mean LAZYCELERY_BROKER?"]


def test_a_variable_that_the_file_uses_is_no_mistake(loaded):
    text = '[profiles.a]\nbroker = "${LAZYCELERY_BROKER_URL}"'
    assert loaded(text, {"LAZYCELERY_BROKER_URL": "redis://x"}).warnings == []


def test_celerys_backend_belongs_to_celerys_broker(loaded):
    environ = {"CELERY_BROKER_URL": "redis://prod/0", "CELERY_RESULT_BACKEND": "redis://prod/1"}
    assert loaded("", environ).profile.backend == "redis://prod/1"
    settings = loaded("", environ, broker="redis://staging/0")
    assert settings.profile.backend is None
    assert any("CELERY_RESULT_BACKEND is not used" in warning for warning in settings.warnings)
    del environ["CELERY_BROKER_URL"]
    assert loaded("", environ, broker="redis://staging/0").profile.backend == "redis://prod/1"
