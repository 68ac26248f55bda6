"""Themes: readable, told apart, a person's own, and read again when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.color import Color

from lazycelery.config.schema import UI, Wrong
from lazycelery.errors import UsageError
from lazycelery.tui import themes
from lazycelery.tui.user_themes import LONGEST, UserThemes, read
from lazycelery.tui.wardrobe import Wardrobe
from tests.tui.conftest import staged

COLOURED = [name for name, theme in themes.THEMES.items() if not theme.ansi]
INKS = ("foreground", "ok", "run", "wait", "warn", "fail", "dim", "accent")


def contrast(one: str, other: str) -> float:
    """Contrast as WCAG 2 counts it, 1 to 21."""

    def light(text: str) -> float:
        parts = [part / 255 for part in Color.parse(text).rgb]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("name", COLOURED)
def test_every_ink_can_be_read(name: str, ink: str) -> None:
    colours = themes.palette(themes.THEMES[name])
    least = 7.0 if name == "contrast" else 4.5
    assert contrast(colours[ink], colours["background"]) >= least
    assert contrast(colours[ink], colours["cursor_ground"]) >= 3.0


@pytest.mark.parametrize("name", COLOURED)
def test_badges_can_be_read(name: str) -> None:
    colours = themes.palette(themes.THEMES[name])
    assert contrast(colours["badge"], colours["badge_ground"]) >= 4.5
    assert contrast(colours["alarm"], colours["alarm_ground"]) >= 4.5


@pytest.mark.parametrize("name", COLOURED)
def test_good_busy_warning_and_bad_do_not_look_alike(name: str) -> None:
    colours = themes.palette(themes.THEMES[name])
    inks = [Color.parse(colours[token]).rgb for token in ("ok", "run", "warn", "fail")]
    for at, one in enumerate(inks):
        for other in inks[at + 1 :]:
            assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 90


def write(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.toml"
    path.write_text(text)
    return path


def test_an_own_theme_names_only_what_differs(tmp_path: Path) -> None:
    theme = read(write(tmp_path, "mine", 'base = "light"\nfail = "#ff00aa"\n'))
    colours = themes.palette(theme)
    assert colours["fail"] == "#ff00aa" and colours["ok"] == themes.palette(themes.LIGHT)["ok"]
    assert not theme.dark
    assert read(write(tmp_path, "night", 'base = "light"\nbackground = "#000000"\n')).dark


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('fial = "#ff0000"\n', "Did you mean fail?"),
        ('fail = "redish"\n', 'fail = "redish" is no colour'),
        ("fail = 3\n", 'fail = "3" is no colour'),
        ('base = "solar"\n', "base is one of dark, light"),
        ("fail = \n", "line 1"),
        ('cursor_style = "blink"\n', "cursor_style is one of"),
        ("#" * (LONGEST + 1), "smaller than"),
    ],
)
def test_a_wrong_theme_says_where_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(write(tmp_path / "themes", "mine", text))
    assert said in str(caught.value) and "themes/mine.toml" in str(caught.value)
    assert "\n" not in caught.value.title


def test_a_theme_is_read_again_only_when_its_file_has_changed(tmp_path: Path) -> None:
    own = UserThemes(tmp_path)
    assert own.look() == (False, [])
    path = write(tmp_path, "mine", 'fail = "#ff0000"\n')
    assert own.look() == (True, []) and own.look() == (False, [])
    before = own.found["mine"]
    path.write_text("fail = \n")
    os.utime(path, (1, 1))
    changed, problems = own.look()
    assert not changed and len(problems) == 1 and own.found["mine"] is before
    assert own.look() == (False, [])
    path.unlink()
    assert own.look() == (True, []) and own.found == {}


def test_an_own_theme_may_stand_in_for_a_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    write(tmp_path, "dark", 'accent = "#00ff00"\n')
    wardrobe = Wardrobe(UserThemes(tmp_path), "dark")
    assert wardrobe.names == list(themes.THEMES)
    assert themes.palette(wardrobe.theme(wardrobe.worn))["accent"] == "#00ff00"


def test_the_configuration_takes_an_own_theme_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYCELERY_CONFIG", str(tmp_path / "config.toml"))
    write(tmp_path / "themes", "mine", "")
    assert UI["theme"].convert("mine") == "mine"
    for wrong in ("yours", "../themes/mine", ""):
        with pytest.raises(Wrong):
            UI["theme"].convert(wrong)


async def test_a_change_of_the_file_is_seen_at_once_and_an_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYCELERY_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("lazycelery.tui.app.THEMES_LOOKED_AT", 0.05)
    path = write(tmp_path / "themes", "mine", 'background = "#101010"\n')
    async with staged(theme="mine") as stage:
        assert stage.app.current_theme.background == "#101010"
        path.write_text('background = "#202020" # longer\n')
        await stage.until(lambda: stage.app.current_theme.background == "#202020")
        path.write_text("background = \n")
        await stage.until("themes/mine.toml: ")
        assert stage.app.current_theme.background == "#202020"
        path.unlink()
        await stage.until(lambda: stage.app.theme == "lazy-dark")
        await stage.press("T")
        assert stage.app.theme == "lazy-light"
