"""Passwords come from outside the file, and never go anywhere but into the broker URL."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from lazycelery import passwords
from lazycelery.config import report, secrets
from lazycelery.config.urls import has_password, with_password

SECRET = "s3cr/t@!"
ENCODED = "s3cr%2Ft%40%21"


def profile(**keys: str) -> str:
    return "[profiles.shop]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def command(script: str) -> str:
    words = ", ".join(f"'''{word}'''" for word in (sys.executable, "-c", script))
    return f"[{words}]"


def test_a_variable_is_filled_in(loaded):
    settings = loaded(profile(broker='"redis://:${PW}@${HOST}/0"'), {"PW": "x", "HOST": "db"})
    assert settings.profile.broker == "redis://:x@db/0"


def test_a_missing_variable_is_named_with_file_line_and_key(refused):
    error = refused(profile(broker='"redis://:${PW}@db/0"'))
    assert "config.toml, line 2: profiles.shop.broker needs the environment variable PW" in error.title


def test_a_missing_variable_of_another_profile_does_no_harm(loaded):
    text = 'default_profile = "shop"\n' + profile(broker='"redis://a"') + '[profiles.b]\nbroker = "${NOPE}"\n'
    assert loaded(text).profile.broker == "redis://a"


def test_a_doubled_dollar_stays_a_dollar(loaded):
    assert loaded(profile(broker='"redis://a"', prefix='"$${X}"')).profile.prefix == "${X}"


def test_the_password_of_a_command_goes_into_the_broker(loaded):
    text = profile(
        broker='"redis://monitor@db/0"', password_command=command(f"print('{SECRET}')\nprint('more')")
    )
    settings = loaded(text)
    assert settings.profile.broker == f"redis://monitor:{ENCODED}@db/0"
    assert settings.origins["broker"].endswith("password from password_command")


def test_a_command_is_split_like_a_shell_does_but_run_without_one(loaded, tmp_path: Path):
    text = profile(broker='"redis://db"', password_command=f"'''echo \"a b\" > {tmp_path}/out'''")
    assert (
        loaded(text).profile.broker
        == "redis://:" + secrets.with_password("x://h", f"a b > {tmp_path}/out")[5:-2] + "@db"
    )
    assert not (tmp_path / "out").exists()


def test_no_command_is_run_when_the_broker_comes_from_elsewhere_or_nobody_wants_secrets(
    loaded, tmp_path: Path
):
    mark = tmp_path / "ran"
    text = profile(broker='"redis://db"', password_command=command(f"open('{mark}', 'w')"))
    assert loaded(text, profile="shop", broker="redis://other").profile.broker == "redis://other"
    loaded(text, fetch_secrets=False)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (f"import sys; print('{SECRET}'); sys.exit('{SECRET}')", "ended with code 1"),
        ("pass", "printed nothing"),
        (f"print('{SECRET}', flush=True); import time; time.sleep(60)", "did not answer within"),
    ],
)
def test_a_command_that_fails_is_told_without_its_output(refused, monkeypatch, script, problem):
    monkeypatch.setattr(passwords, "COMMAND_TIMEOUT", 1.0)
    error = refused(profile(broker='"redis://db"', password_command=command(script)))
    assert "line 3: profiles.shop.password_command" in error.title
    assert problem in error.title
    assert SECRET not in str(error)


def test_the_password_of_the_history_is_asked_for_by_who_opens_it(loaded, refused, tmp_path: Path):
    mark = tmp_path / "ran"
    where = {"broker": '"redis://db"', "history_url": '"postgresql://lazy@h/d"'}
    settings = loaded(profile(**where, history_password_command=command(f"open('{mark}', 'w')")))
    assert not mark.exists() and settings.profile.history_url == "postgresql://lazy@h/d"
    assert settings.profile.history_password_command[1] == "-c"
    assert settings.origins["history_url"].endswith("password from history_password_command")
    assert loaded(profile(**where, history_keyring='"a/b"')).profile.history_keyring == "a/b"
    assert "a quote" in refused(profile(**where, history_password_command='"pass \'x"')).title
    assert "history_url" in refused(profile(broker='"redis://db"', history_keyring='"a/b"')).title
    assert (
        "has one too"
        in refused(
            profile(**{**where, "history_url": '"postgresql://a:b@h/d"'}, history_keyring='"a/b"')
        ).title
    )


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"broker": '"redis://:a@db"', "password_command": '"true"'}, "has one too"),
        (
            {"broker": '"redis://db"', "password_command": '"true"', "keyring": '"a/b"'},
            "both give a password",
        ),
        ({"password_command": '"true"'}, "needs a broker"),
        ({"broker": '"redis://db"', "password_command": '"pass \'x"'}, "a quote that is not closed"),
        ({"broker": '"redis://db"', "password_command": '"/nowhere/pass"'}, "cannot be started"),
        ({"broker": '"redis://db"', "password_command": "[]"}, "is empty"),
        ({"broker": '"redis://db"', "keyring": '"service"'}, 'should be "service/user"'),
    ],
)
def test_a_way_to_the_password_that_cannot_work_is_told(refused, keys, problem):
    assert problem in refused(profile(**keys)).title


def test_the_keyring_is_asked(loaded, monkeypatch):
    keyring = types.SimpleNamespace(get_password=lambda service, user: f"{service}-{user}")
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    text = profile(broker='"redis://db"', keyring='"celery/prod/monitor"')
    assert loaded(text).profile.broker == "redis://:celery%2Fprod-monitor@db"


@pytest.mark.parametrize(
    ("keyring", "problem", "hint"),
    [
        (None, "not installed", "pip install 'lazycelery[keyring]'"),
        (types.SimpleNamespace(get_password=lambda s, u: None), "is not in the keyring", "keyring set a b"),
        (types.SimpleNamespace(get_password=lambda s, u: 1 / 0), "ZeroDivisionError", ""),
    ],
)
def test_a_keyring_that_cannot_help_is_told(refused, monkeypatch, keyring, problem, hint):
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    error = refused(profile(broker='"redis://db"', keyring='"a/b"'))
    assert problem in error.title
    assert error.hint == hint


@pytest.mark.parametrize(
    "keys",
    [
        {"broker": '"redis://:pw@db"'},
        {"broker": '"redis://user:p/w@db"'},
        {"broker": '"redis://db?password=pw"'},
        {"broker": '"redis://db"', "sentinel_password": '"pw"'},
        {"broker": '"redis://db"', "backend": '"redis://:pw@db"'},
    ],
)
def test_a_password_in_the_file_is_accepted_and_warned_of(loaded, keys):
    warnings = loaded(profile(**keys)).warnings
    assert len(warnings) == 1
    assert "plain text" in warnings[0]
    assert "pw" not in warnings[0].replace("password", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no mode bits")
def test_a_file_with_a_password_that_others_may_read_is_warned_of(config):
    from lazycelery.config import Options, load

    path = config(profile(broker='"redis://:pw@db"'))
    path.chmod(0o640)
    assert any(f"chmod 600 {path}" in line for line in load(Options(config=str(path)), {}).warnings)


def test_a_file_without_a_password_warns_of_nothing(loaded):
    assert loaded(profile(broker='"redis://:${PW}@db"'), {"PW": "x"}).warnings == []


def test_what_is_shown_and_exported_holds_no_secret(loaded):
    text = profile(
        broker=f'"sentinel://:{SECRET}@a:1;sentinel://:{SECRET}@b:2"',
        backend=f'"redis://db/0?password={SECRET}"',
        sentinel_password=f'"{SECRET}"',
    )
    settings = loaded(text)
    shown = " ".join(str(row) for row in report.rows(settings)) + report.export(settings)
    assert SECRET not in shown
    assert "s3cr" not in shown


def test_an_export_loads_again_and_gives_the_same(loaded):
    text = (
        '[ui]\ntheme = "light"\n[keymap]\nmove.down = ["ctrl+n", "down"]\n[profiles."my shop"]\n'
        'broker = "redis://u:pw@db/0"\nqueues = ["a\\"b", "ü"]\nprefix = "$${x}"\n'
        'production = true\nallow = ["retry"]\n'
    )
    first = loaded(text)
    again = loaded(report.export(first), {"LAZYCELERY_PASSWORD": "pw"})
    assert again.profile == first.profile
    assert again.ui == first.ui


@pytest.mark.parametrize(
    ("url", "result"),
    [
        ("redis://db:1/0", "redis://:p%40@db:1/0"),
        ("redis://me@db", "redis://me:p%40@db"),
        ("redis+socket:///run/r.sock", "redis+socket://:p%40@/run/r.sock"),
        ("sentinel://a:1;sentinel://b:2", "sentinel://:p%40@a:1;sentinel://:p%40@b:2"),
    ],
)
def test_a_password_is_put_on_every_host(url, result):
    assert not has_password(url)
    assert with_password(url, "p@") == result
    assert has_password(result)
