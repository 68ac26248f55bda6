"""Themes: what the tokens of the screen look like. No colour is named anywhere else."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from textual.theme import BUILTIN_THEMES, Theme


def make(name: str, *, dark: bool, ansi: bool = False, **colours: str) -> Theme:
    """A theme of our tokens."""
    ground = colours.pop("background")
    text = colours.pop("foreground")
    # Textual's own style sheets name variables that only its ansi themes have.
    own = BUILTIN_THEMES["ansi-dark"].variables if ansi else {}
    return Theme(
        name=name,
        primary=colours["accent"],
        foreground=text,
        background=ground,
        surface=ground,
        panel=ground,
        dark=dark,
        ansi=ansi,
        variables={**own, **{key.replace("_", "-"): value for key, value in colours.items()}},
    )


DARK = make(
    "lazy-dark",
    dark=True,
    foreground="#d7dae0",
    background="#16181d",
    ok="#7fc98a",
    run="#6db3f2",
    wait="#9aa4b2",
    warn="#e6b450",
    fail="#f2777a",
    dim="#7d8695",
    accent="#5fd7c7",
    badge="#16181d",
    badge_ground="#e6b450",
    alarm="#ffffff",
    alarm_ground="#b3303a",
    cursor_ground="#2c3340",
    cursor_style="bold",
    head_ground="#1f232b",
)
LIGHT = make(
    "lazy-light",
    dark=False,
    foreground="#24292f",
    background="#fbfbfa",
    ok="#1a7f37",
    run="#0a5fb4",
    wait="#57606a",
    warn="#8a5a00",
    fail="#c0262d",
    dim="#6a737d",
    accent="#00756b",
    badge="#ffffff",
    badge_ground="#8a5a00",
    alarm="#ffffff",
    alarm_ground="#b3202a",
    cursor_ground="#dbe7f3",
    cursor_style="bold",
    head_ground="#eeeeec",
)
CONTRAST = make(
    "lazy-contrast",
    dark=True,
    foreground="#ffffff",
    background="#000000",
    ok="#5dff7f",
    run="#66ccff",
    wait="#ffffff",
    warn="#ffd500",
    fail="#ff6b6b",
    dim="#c0c0c0",
    accent="#00ffff",
    badge="#000000",
    badge_ground="#ffd500",
    alarm="#ffffff",
    alarm_ground="#d00000",
    cursor_ground="#0040a0",
    cursor_style="bold",
    head_ground="#202020",
)
COLORBLIND = make(
    "lazy-colorblind",
    dark=True,
    foreground="#d7dae0",
    background="#16181d",
    ok="#56b4e9",
    run="#9ad0f5",
    wait="#9aa4b2",
    warn="#f0e442",
    fail="#e69f00",
    dim="#7d8695",
    accent="#56b4e9",
    badge="#16181d",
    badge_ground="#f0e442",
    alarm="#16181d",
    alarm_ground="#e69f00",
    cursor_ground="#2c3340",
    cursor_style="bold",
    head_ground="#1f232b",
)
TERMINAL = make(
    "lazy-terminal",
    dark=True,
    ansi=True,
    foreground="ansi_default",
    background="ansi_default",
    ok="ansi_green",
    run="ansi_cyan",
    wait="ansi_default",
    warn="ansi_yellow",
    fail="ansi_red",
    dim="ansi_default",
    accent="ansi_cyan",
    badge="ansi_yellow",
    badge_ground="ansi_default",
    alarm="ansi_red",
    alarm_ground="ansi_default",
    cursor_ground="ansi_default",
    cursor_style="reverse",
    head_ground="ansi_default",
)
THEMES = {
    "dark": DARK,
    "light": LIGHT,
    "contrast": CONTRAST,
    "colorblind": COLORBLIND,
    "terminal": TERMINAL,
}


def palette(theme: Theme) -> dict[str, str]:
    """The colours of a theme by token, as `make` takes them."""
    ours = {key.replace("-", "_"): value for key, value in theme.variables.items() if key in DARK.variables}
    return {**ours, "foreground": theme.foreground or "", "background": theme.background or ""}


def chosen(
    wanted: str | None,
    environment: Mapping[str, str] = os.environ,
    known: Collection[str] = tuple(THEMES),
) -> str:
    """The theme's name: the wanted one, unless the terminal has no colours or none are wished."""
    if environment.get("NO_COLOR") or not _has_colours(environment.get("TERM", "")):
        return "terminal"
    return wanted if wanted is not None and wanted in known else "dark"


def _has_colours(term: str) -> bool:
    return not term.startswith(("vt1", "vt2", "vt3", "ansi-m", "xterm-mono", "screen-m", "wy", "tty"))
