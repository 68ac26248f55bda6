"""Every error names the file, the line, the key, what was expected and the nearest valid word."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.config.document import read
from lazycelery.config.tables import faults
from lazycelery.errors import UsageError

PROFILE = '[profiles.shop]\nbroker = "redis://a/0"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "hint"),
    [
        ("\n\n[uii]\n", 3, "uii", "Did you mean ui?"),
        ('[ui]\nthem = "dark"\n', 2, "ui.them", "Did you mean theme?"),
        (PROFILE + "refesh = 2\n", 3, "profiles.shop.refesh", "Did you mean refresh?"),
        (PROFILE + "xyzzy = 2\n", 3, "profiles.shop.xyzzy", "`lazycelery config init`"),
        ('theme = "dark"\n', 1, "theme", "[ui]"),
        ('broker = "redis://a"\n', 1, "broker", "[profiles.NAME]"),
        ('default_profile = "shpo"\n' + PROFILE, 1, "default_profile", "Did you mean shop?"),
        (PROFILE + 'allow = ["retyr"]\n', 3, "profiles.shop.allow", "Did you mean retry?"),
        (
            PROFILE + "[profiles.shop.doctor]\ngrowth = 9\nstaled = 2\n",
            5,
            "profiles.shop.doctor.staled",
            "Did you mean stalled?",
        ),
        ('[keymap]\nsrot = "o"\n', 2, "keymap.srot", "Did you mean sort?"),
        ('[keymap]\nsort = "ctrl+i"\n', 2, "keymap.sort", "another key"),
        ('[keymap]\nmove.down = "k"\n', 2, "keymap.move.down", "another key"),
    ],
)
def test_an_unknown_word_is_shown_where_it_stands_with_the_nearest(refused, text, line, key, hint):
    error = refused(text)
    assert f"config.toml, line {line}: {key}" in error.title
    assert hint in error.hint


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("refresh", '"fast"', "a number of seconds above 0"),
        ("refresh", "0", "a number of seconds above 0"),
        ("refresh", "nan", "a number of seconds above 0"),
        ("refresh", "true", "a number of seconds above 0"),
        ("production", '"yes"', "true or false"),
        ("queues", '"default"', "a list of names"),
        ("max_tasks", "1.5", "a whole number from 1"),
        ("priority_steps", "[]", "a list of whole numbers"),
        ("theme", '"drak"', "one of dark, light"),
        ("broker", '"localhost:6379"', "a URL"),
        ("allow", "true", "a list of permissions"),
        ("password_command", "7", "a command"),
    ],
)
def test_a_wrong_value_tells_what_was_expected(refused, key, value, expected):
    error = refused(f"[profiles.shop]\n# comment\n{key} = {value}\n")
    assert f"line 3: profiles.shop.{key} should be {expected}" in error.title


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("stalled = true", "a number from 0"),
        ("stalled = -1", "a number from 0"),
        ('growth = "90s"', "a number from 0"),
        ("failures = 2.5", "a whole number from 0"),
        ("failure_share = 30", "a share from 0 to 1"),
        ("starved = 900", "at most 570 seconds"),
    ],
)
def test_a_wrong_limit_of_the_doctor_is_told_with_its_line(refused, limit, expected):
    error = refused(PROFILE + f"[profiles.shop.doctor]\nsilent = 5\n{limit}\n")
    key = limit.split()[0]
    assert f"line 5: profiles.shop.doctor.{key} should be {expected}" in error.title


def test_limits_of_the_doctor_are_those_of_the_profile(loaded):
    text = PROFILE + "[profiles.shop.doctor]\nstalled = 7200\nfailure_share = 0.5\n"
    assert loaded(text, profile="shop").profile.doctor == {"stalled": 7200, "failure_share": 0.5}


def test_a_profile_that_is_not_chosen_is_checked_too(refused):
    text = f'default_profile = "shop"\n{PROFILE}[profiles.other]\nprodution = true\n'
    assert "line 5: profiles.other.prodution" in refused(text).title


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[ui]\ntheme = dark\n", "line 2, column 9"),
        ("[ui\n", "line 1"),
        ('a = "x', "config.toml"),
        ("a = 1\na = 2\n", "line 2"),
    ],
)
def test_a_syntax_error_tells_line_and_column(refused, text, where):
    error = refused(text)
    assert where in error.title
    assert "not valid TOML" in error.title


@pytest.mark.parametrize("text", ["ui = 1", "profiles = []", "[profiles]\nshop = 3", "keymap = true"])
def test_a_table_that_is_none_is_told(refused, text):
    assert "should be a table" in refused(text).title


def test_a_file_that_is_not_text_or_not_readable_is_told(loaded, config, tmp_path):
    from lazycelery.config import Options, load
    from lazycelery.errors import UsageError

    path = config("")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(Options(config=str(path)), {})
    with pytest.raises(UsageError, match="cannot be read"):
        load(Options(config=str(tmp_path)), {})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LAZYCELERY_TIMEOUT", "soon", "a number of seconds"),
        ("LAZYCELERY_PRODUCTION", "perhaps", "yes or no"),
        ("LAZYCELERY_ALLOW", "retyr", "permissions or roles"),
        ("LAZYCELERY_BROKER", "hunter2@localhost", "a URL"),
        ("CELERY_BROKER_URL", "hunter2@localhost", "a URL"),
        ("LAZYCELERY_HISTORY_URL", "postgresql://u:a@hunter2@h/d", "password has @ as %40"),
        ("LAZYCELERY_HISTORY_URL", "postgresql://u:1%hunter2@h/d", "% as %25"),
        ("LAZYCELERY_HISTORY_URL", "postgresql://u:1%00hunter2@h/d", "% as %25"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(refused, name, value, expected):
    error = refused("", {name: value})
    assert error.title.startswith(f"${name} should be")
    assert expected in error.title
    assert "hunter2" not in str(error)


def test_a_wrong_option_is_named(refused):
    assert refused("", broker="localhost").title == "--broker should be a URL."
    error = refused("", allow=["retyr"])
    assert error.title.startswith("--allow should be")
    assert "retry" in error.hint


def test_an_unknown_profile_has_a_nearest_one(refused):
    assert refused(PROFILE, profile="shpo").hint == "Did you mean shop?"
    assert refused(PROFILE, profile="zzz").hint == "It has: shop."


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        (
            'late = "sate:failure"',
            ".late should be a filter of tasks",
            "Did you mean state?",
        ),
        ("late = 3", ".late should be a filter in quotes", ""),
        (
            'late = { filter = "", sort = "wiat" }',
            ".late should be a filter in quotes",
            "",
        ),
        ('"late mail" = ""', '."late mail" should be named with', ""),
    ],
)
def test_a_saved_view_that_cannot_be_is_an_error_with_its_place(
    refused: Callable[..., UsageError], line: str, said: str, hint: str
):
    problem = refused(f'[profiles.shop]\nbroker = "redis://h/0"\n[profiles.shop.views]\n{line}\n')
    assert f"line 4: profiles.shop.views{said}" in problem.title and hint in problem.hint


def test_a_check_tells_all_mistakes(config: Callable[[str], Path]):
    path = config(
        'colour = 1\n[ui]\ntheme = "drak"\nascii = 3\n[keymap]\nsrot = "o"\nsort = "ctrl+i"\n'
        '[profiles.shop]\nbroker = "redis://:${NOT_SET_HERE}@h/0"\nrefesh = 2\n'
        '[profiles.shop.views]\nlate = "sate:x"\n[profiles.other]\ntimeout = "soon"\n'
    )
    told = [str(fault) for fault in faults(read(path), {})]
    lines = [int(re.search(r"line (\d+)", one)[1]) for one in told]  # type: ignore[index]
    assert lines == [1, 3, 4, 6, 7, 9, 10, 12, 14]


def test_keys_that_are_right_by_themselves_may_clash(config: Callable[[str], Path]):
    path = config('[keymap]\nsort = "f9"\nfaults = "f9"\n')
    assert [str(fault) for fault in faults(read(path), {})] != []
