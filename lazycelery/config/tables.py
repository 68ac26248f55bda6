"""Checks of a file's tables: every key known, every value of its type, every variable there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lazycelery.config.document import Document, did_you_mean
from lazycelery.config.lines import KeyPath
from lazycelery.config.schema import PROFILE, UI, Setting, Wrong
from lazycelery.config.secrets import interpolate, variables
from lazycelery.config.views import TABLE as VIEWS
from lazycelery.config.views import view_of
from lazycelery.errors import UsageError
from lazycelery.keys import keymap as keys_of
from lazycelery.model.view import SavedView

_NAMED = re.compile(r"keymap\.(.+?):")
OWN = ("keymap", VIEWS)
"""Tables of a profile beside its settings."""
TOP = ("default_profile", "ui", "keymap", "profiles")
_EXPLAINED = "`lazycelery config init` writes a file in which every key is explained."


def check_file(document: Document) -> None:
    """Check all tables, also of profiles that are not chosen. Raises `UsageError` at the first fault."""
    for fault in faults(document):
        raise fault


def faults(document: Document, environ: Mapping[str, str] | None = None) -> Iterator[UsageError]:
    """All that is wrong in all tables, each once. Without `environ`, variables are taken for right."""
    told: set[str] = set()
    for fault in _faults(document, environ):
        if fault.title not in told:
            told.add(fault.title)
            yield fault


def _faults(document: Document, environ: Mapping[str, str] | None) -> Iterator[UsageError]:
    for key in document.data:
        if key not in TOP:
            hint = _misplaced(key) or did_you_mean(key, TOP, f"Known here: {', '.join(TOP)}.")
            yield document.wrong((key,), "is not a setting", hint)
    default = document.data.get("default_profile", "")
    if not isinstance(default, str):
        yield document.wrong(("default_profile",), "should be the name of a profile")
    yield from _faults_of_table(document, ("ui",), UI, environ)
    yield from _faults_of_keymap(document, None)
    try:
        names = profiles(document)
    except UsageError as fault:
        yield fault
        return
    for name in names:
        yield from _faults_of_table(document, ("profiles", name), PROFILE, environ)
        yield from _faults_of_keymap(document, name)
        yield from (found for _, found in _views(document, name) if isinstance(found, UsageError))


def stray_default(document: Document) -> Iterator[UsageError]:
    """What is wrong with a `default_profile` that no profile has the name of."""
    default, names = document.data.get("default_profile"), profiles(document)
    if isinstance(default, str) and default and default not in names:
        hint = did_you_mean(default, names, f"It has: {', '.join(names)}." if names else "")
        yield document.wrong(("default_profile",), "names a profile that is not there", hint)


def _faults_of_table(
    document: Document, path: KeyPath, settings: Mapping[str, Setting], environ: Mapping[str, str] | None
) -> Iterator[UsageError]:
    try:
        yield from (
            found
            for _, found in _checked(document, path, settings, environ, OWN if path != ("ui",) else ())
            if isinstance(found, UsageError)
        )
    except UsageError as fault:  # No table at all.
        yield fault


def _faults_of_keymap(document: Document, profile: str | None) -> Iterator[UsageError]:
    """Each key that is wrong by itself; then, where none is, the first clash."""
    table = ("profiles", profile, "keymap") if profile else ("keymap",)
    alone = True
    try:
        for action, (path, keys) in _actions(document, table):
            try:
                keys_of({action: keys}, clashes=False)
            except UsageError as error:
                alone = False
                yield UsageError(f"{document.where(path)}: {error.title}", error.hint)
        if alone:
            keymap(document, profile)
    except UsageError as fault:
        yield fault


def _misplaced(key: str) -> str:
    if key in UI:
        return f"{key} belongs into the table [ui]."
    return f"{key} belongs into a profile: a table [profiles.NAME]." if key in PROFILE else ""


def profiles(document: Document) -> list[str]:
    """Names of the profiles, in the file's order."""
    return list(_table(document, ("profiles",)))


def values(
    document: Document,
    path: KeyPath,
    settings: Mapping[str, Setting],
    environ: Mapping[str, str] | None = None,
    ignored: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The checked values of a table. Without `environ`, texts with variables are left out."""
    found: dict[str, Any] = {}
    for key, value in _checked(document, path, settings, environ, ignored):
        if isinstance(value, UsageError):
            raise value
        found[key] = value
    return found


def _checked(
    document: Document,
    path: KeyPath,
    settings: Mapping[str, Setting],
    environ: Mapping[str, str] | None,
    ignored: tuple[str, ...],
) -> Iterator[tuple[str, Any]]:
    """Each key of a table with its value, or with what is wrong with it."""
    for key, raw in _table(document, path).items():
        if key in ignored:
            continue
        if key not in settings:
            hint = did_you_mean(key, settings, _EXPLAINED)
            yield key, document.wrong((*path, key), "is not a setting", hint)
        elif environ is not None or not any(variables(text) for text in _texts(raw)):
            try:
                filled = _filled(raw, document, (*path, key), environ)
                yield key, _converted(settings[key], filled, document, (*path, key))
            except UsageError as fault:
                yield key, fault


def views(document: Document, profile: str) -> dict[str, SavedView]:
    """The saved views of a profile. Raises `UsageError` at the first that is wrong."""
    found: dict[str, SavedView] = {}
    for name, view in _views(document, profile):
        if isinstance(view, UsageError):
            raise view
        found[name] = view
    return found


def _views(document: Document, profile: str) -> Iterator[tuple[str, SavedView | UsageError]]:
    path = ("profiles", profile, VIEWS)
    try:
        table = _table(document, path)
    except UsageError as fault:
        yield VIEWS, fault
        return
    for name, value in table.items():
        try:
            yield name, view_of(name, value)
        except Wrong as wrong:
            yield name, document.wrong((*path, name), f"should be {wrong.expected}", wrong.hint)


def keymap(document: Document, profile: str | None = None) -> dict[str, str | list[str]]:
    """Action ids and keys: the file's, and those of a profile over them.

    `move.down = "n"` is what people write, and TOML reads a table `move`: ids are put together again.
    """
    places = dict(_actions(document, ("keymap",)))
    if profile:
        places |= dict(_actions(document, ("profiles", profile, "keymap")))
    found = {action: keys for action, (_, keys) in places.items()}
    try:
        keys_of(found)
    except UsageError as error:
        named = _NAMED.match(error.title)
        path = places[named[1]][0] if named and named[1] in places else ("keymap",)
        raise UsageError(f"{document.where(path)}: {error.title}", error.hint) from None
    return found


def keymap_places(document: Document, profile: str | None) -> dict[str, KeyPath]:
    """Where the keys of an action were set, by action id."""
    places = dict(_actions(document, ("keymap",)))
    if profile:
        places |= dict(_actions(document, ("profiles", profile, "keymap")))
    return {action: path for action, (path, _) in places.items()}


def _actions(document: Document, table: KeyPath) -> Iterator[tuple[str, tuple[KeyPath, str | list[str]]]]:
    def walk(path: KeyPath, value: Any) -> Iterator[tuple[str, tuple[KeyPath, str | list[str]]]]:
        if isinstance(value, dict):
            for key, below in value.items():
                yield from walk((*path, key), below)
        elif isinstance(value, str) or (
            isinstance(value, list) and all(isinstance(one, str) for one in value)
        ):
            yield ".".join(path[len(table) :]), (path, value)
        else:
            raise document.wrong(path, 'should be a key like "ctrl+r", or a list of keys')

    return walk(table, _table(document, table))


def _table(document: Document, path: KeyPath) -> dict[str, Any]:
    found: Any = document.data
    for depth, key in enumerate(path, start=1):
        found = found.get(key, {})
        if not isinstance(found, dict):
            header = ".".join(path[:depth])
            raise document.wrong(path[:depth], "should be a table", f"Write it as [{header}].")
    return dict(found)


def _texts(raw: Any) -> Iterator[str]:
    if isinstance(raw, (list, dict)):
        for one in raw.values() if isinstance(raw, dict) else raw:
            yield from _texts(one)
    elif isinstance(raw, str):
        yield raw


def _filled(raw: Any, document: Document, path: KeyPath, environ: Mapping[str, str] | None) -> Any:
    if environ is None:
        return raw
    if isinstance(raw, list):
        return [_filled(one, document, path, environ) for one in raw]
    if isinstance(raw, dict):
        return {key: _filled(one, document, (*path, key), environ) for key, one in raw.items()}
    return interpolate(raw, environ, document, path) if isinstance(raw, str) else raw


def _converted(setting: Setting, raw: Any, document: Document, path: KeyPath) -> Any:
    try:
        return setting.convert(raw)
    except Wrong as wrong:
        raise document.wrong((*path, *wrong.inside), f"should be {wrong.expected}", wrong.hint) from None
