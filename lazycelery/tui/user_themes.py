"""Themes of a person's own: TOML files in the configuration directory, read again when they change."""

from __future__ import annotations

import re
from pathlib import Path

from textual.color import Color, ColorParseError
from textual.theme import Theme

from lazycelery.config import toml
from lazycelery.config.document import did_you_mean
from lazycelery.errors import UsageError
from lazycelery.tui import themes

LONGEST = 20_000
"""Bytes of a theme's file, at most."""
GROUND = ("foreground", "background")
STYLES = {"bold", "reverse", "underline", "bold reverse", "bold underline", "none"}


def read(path: Path, generation: int = 0) -> Theme:
    """The theme of a file: a built-in `base`, and a colour for each token that differs.

    Raises `UsageError` in one line.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        if path.stat().st_size > LONGEST:
            raise UsageError(f"{where}: a theme is smaller than {LONGEST // 1000} kB.")
        given = toml.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"{where} cannot be read: {problem.strerror}.") from None
    except ValueError as problem:  # Also what is no UTF-8, and no TOML.
        raise UsageError(f"{where}: {problem}.") from None
    base = given.pop("base", "dark")
    if base not in themes.THEMES:
        raise UsageError(f"{where}: base is one of {', '.join(themes.THEMES)}.")
    colours = themes.palette(themes.THEMES[base])
    for name, value in given.items():
        colours[name] = _checked(name, value, set(colours), where)
    origin = themes.THEMES[base]
    return themes.make(
        f"user-{path.stem}-{generation}", dark=_dark(colours, origin), ansi=bool(origin.ansi), **colours
    )


def _checked(name: str, value: object, known: set[str], where: str) -> str:
    if name not in known:
        hint = did_you_mean(name, known, f"Tokens are {', '.join(sorted(known))}.")
        raise UsageError(f'{where}: there is no token "{name}".', hint)
    if name == "cursor_style":
        if value in STYLES:
            return str(value)
        raise UsageError(f"{where}: cursor_style is one of {', '.join(sorted(STYLES))}.")
    try:
        Color.parse(str(value))
    except ColorParseError:
        raise UsageError(f'{where}: {name} = "{value}" is no colour. Write it like "#7fc98a".') from None
    return str(value)


def _dark(colours: dict[str, str], base: Theme) -> bool:
    return bool(base.dark) if base.ansi else Color.parse(colours["background"]).brightness < 0.5


class UserThemes:
    """The themes of a directory. `look` reads what has changed; it may block, and knows no app."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.found: dict[str, Theme] = {}
        """By name. A file named like a built-in theme stands in for it."""
        self._seen: dict[str, tuple[float, int]] = {}
        self._generation = 0

    def look(self) -> tuple[bool, list[str]]:
        """Whether a theme came, changed or went; and what is wrong with those that could not be read.

        A theme whose file is broken stays as it was.
        """
        present: dict[str, tuple[float, int]] = {}
        problems: list[str] = []
        changed = False
        for path in sorted(self._directory.glob("*.toml")) if self._directory.is_dir() else ():
            if not re.fullmatch(r"[\w-]{1,40}", path.stem):
                continue
            try:
                facts = path.stat()
            except OSError:
                continue
            present[path.stem] = (facts.st_mtime, facts.st_size)
            if self._seen.get(path.stem) == present[path.stem]:
                continue
            self._generation += 1
            try:
                self.found[path.stem] = read(path, self._generation)
                changed = True
            except UsageError as problem:
                problems.append(str(problem))
        for gone in set(self.found) - set(present):
            del self.found[gone]
            changed = True
        self._seen = present
        return changed, problems
