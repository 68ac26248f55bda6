"""Saved views of a profile: read with the configuration, written into it with its comments kept.

Where the configuration cannot be written, or no profile of it applies, they are in `views.toml` in the
platform's state directory, in the same form.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.config.document import Document, dotted, parse, read
from lazycelery.config.lines import KeyPath
from lazycelery.config.schema import Wrong
from lazycelery.errors import UsageError
from lazycelery.model.view import SavedView

NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
TABLE = "views"
_EXPECTED = 'a filter in quotes, or { filter = "…", sort = "wait", reverse = true }'


def view_of(name: str, value: Any) -> SavedView:
    """A checked view. Raises `Wrong`."""
    if not NAME.fullmatch(name):
        raise Wrong("named with at most 40 letters, digits, - and _")
    try:
        view = msgspec.convert({"filter": value} if isinstance(value, str) else value, SavedView)
    except msgspec.ValidationError:
        raise Wrong(_EXPECTED) from None
    _check_filter(view.filter)
    return view


def _check_filter(text: str) -> None:
    # The language is the engine's; it is read only where there is a view to check.
    from lazycelery.store.filter import parse

    try:
        parse(text)
    except UsageError as problem:
        raise Wrong(f"a filter of tasks ({problem.title})", problem.hint) from None


class Shelf:
    """The views of one profile, wherever they are kept.

    `config` is the file that holds the profile, `None` where no profile applies.
    """

    def __init__(
        self,
        profile: str = "default",
        config: Path | None = None,
        given: Mapping[str, SavedView] | None = None,
        state: Callable[[], Path] | None = None,
    ) -> None:
        self._path: KeyPath = ("profiles", profile, TABLE)
        self._config = config
        self._state = state or state_file
        self._given = dict(given or {})
        self._kept: dict[str, SavedView] = {}

    @property
    def views(self) -> dict[str, SavedView]:
        """All of them by name; the configuration's first."""
        return {**self._kept, **self._given}

    def load(self) -> None:
        """Read those of the state directory; may block. Raises `UsageError` for what is wrong there."""
        path = self._state()
        if not path.exists():
            return
        document = read(path)
        for name, value in _inside(document.data, self._path).items():
            try:
                self._kept[name] = view_of(name, value)
            except Wrong as wrong:
                raise document.wrong((*self._path, name), f"should be {wrong.expected}", wrong.hint) from None

    def save(self, name: str, view: SavedView) -> tuple[Path, str]:
        """Keep a view; may block. The file it is in, and why it is not the configuration ("" if it is).

        Raises `UsageError` for a name or a filter that cannot be, and where nothing can be written.
        """
        try:
            view_of(name, msgspec.to_builtins(view))
        except Wrong as wrong:
            raise UsageError(f"{name} should be {wrong.expected}.", wrong.hint) from None
        why = "no profile of a configuration applies"
        if self._config is not None:
            try:
                _write(self._config, self._path, name, view)
            except UsageError as problem:
                why = problem.title.rstrip(".")
            else:
                self._given[name] = view
                return self._config, ""
        _write(self._state(), self._path, name, view)
        self._kept[name] = view
        self._given.pop(name, None)
        return self._state(), why

    def forget(self, name: str) -> Path:
        """Remove a view, from its file too; may block. Raises `UsageError`."""
        if name not in self.views:
            raise UsageError(f"There is no view {name!r}.")
        path = self._state()
        if name in self._given and self._config is not None:
            path = self._config
            _write(path, self._path, name, None)
            del self._given[name]
        if name in self._kept:
            _write(self._state(), self._path, name, None)
            del self._kept[name]
        return path


def state_file() -> Path:
    """`views.toml` in the platform's directory for state."""
    import platformdirs

    return platformdirs.user_state_path("lazycelery", appauthor=False) / "views.toml"


def written(view: SavedView) -> Any:
    """A view as it stands in a file."""
    if view == SavedView(filter=view.filter):
        return view.filter
    plain = {"filter": view.filter, "sort": view.sort, "reverse": view.reverse}
    return {key: value for key, value in plain.items() if key == "filter" or value not in ("newest", False)}


def _inside(data: Any, path: KeyPath) -> dict[str, Any]:
    for key in path:
        data = data.get(key, {}) if isinstance(data, dict) else {}
    return data if isinstance(data, dict) else {}


def _write(file: Path, path: KeyPath, name: str, view: SavedView | None) -> None:
    """Put a view into a file, or take it out (`None`), and leave all else as it is."""
    file = file.resolve()  # A link stays a link.
    try:
        before = read(file) if file.exists() else Document(file, "", {})
        text = _changed(before, path, name, view)
        if file.exists() and not os.access(file, os.W_OK):
            raise UsageError(f"{file} is read-only.")
        _replace(file, text)
    except OSError as problem:
        raise UsageError(f"{file} cannot be written: {problem.strerror}.") from None


def _changed(before: Document, path: KeyPath, name: str, view: SavedView | None) -> str:
    """The file's new text. Raises `UsageError` where it would mean anything else."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(before.text)
        table: Any = document
        for key in path:
            if key not in table:
                table[key] = tomlkit.table(is_super_table=key != path[-1])
            table = table[key]
        if view is None:
            table.pop(name, None)
        else:
            table[name] = _item(written(view))
        text = tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError) as problem:
        raise UsageError(f"{before.path} cannot be changed: {problem}.") from None
    inside = wanted = parse(before.path, before.text)
    for key in path:
        inside = inside.setdefault(key, {})
    inside.pop(name, None)
    if view is not None:
        inside[name] = written(view)
    if parse(before.path, text) != wanted:
        raise UsageError(f"{before.path}: {dotted(path)} cannot be changed without touching the rest.")
    return text


def _item(value: Any) -> Any:
    import tomlkit

    if isinstance(value, str):
        return value
    table = tomlkit.inline_table()
    table.update(value)
    return table


def _replace(file: Path, text: str) -> None:
    """In one step, so that no reader and no crash ever sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
    ends = "\r\n" if file.exists() and b"\r\n" in file.read_bytes() else "\n"
    handle, fresh = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=ends) as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(fresh, mode)
        os.replace(fresh, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(fresh)
        raise
