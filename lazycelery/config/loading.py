"""Loading: option > LAZYCELERY_* > chosen profile > CELERY_* > default, each value with its origin."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from lazycelery.config import environment, secrets, tables
from lazycelery.config.choice import Choice, choose, tried
from lazycelery.config.document import Document, read
from lazycelery.config.lines import KeyPath
from lazycelery.config.places import config_path
from lazycelery.config.schema import CLUSTER, PROFILE, UI, Setting, Wrong
from lazycelery.config.settings import Options, Settings, UiSettings
from lazycelery.config.views import Shelf
from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile

_UI_FIELDS = ("theme", "ascii", "mouse", "utc", "paint")
_INDIRECT = {
    "broker": ("password_command", "keyring"),
    "history_url": ("history_password_command", "history_keyring"),
}
"""Where a URL's password comes from, by the URL it is put into."""
_WAYS = {way for ways in _INDIRECT.values() for way in ways}


Entry = tuple[str, Any, str]
"""A key, its value, and where it came from."""


class _Layers:
    """Values by key; a later layer wins."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.put(entries)

    def put(self, entries: Iterator[Entry]) -> None:
        """Lay entries over what is there."""
        for key, value, origin in entries:
            self.values[key] = value
            self.origins[key] = origin

    def named_origins(self) -> dict[str, str]:
        """Origins by the keys that `config show` prints."""
        return {f"ui.{key}" if key in _UI_FIELDS else key: origin for key, origin in self.origins.items()}


def load(
    options: Options | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    fetch_secrets: bool = True,
    cluster: bool = True,
) -> Settings:
    """The settings in effect. Raises `UsageError`, which names file, line and key.

    Without `fetch_secrets` no password command is run and no keyring is opened. Without `cluster`
    only the screen's settings are read: no broker and no profile (for the demo).
    """
    options = options or Options()
    environ = os.environ if environ is None else environ
    document = _document(options, environ)
    choice = choose(options, environ, document) if cluster else Choice()
    layers = _layers(options, environ, document, choice, cluster)
    stray = _leave_stray_backend(layers, environ)
    later: dict[str, Any] = {}
    if document and choice.name and fetch_secrets:
        later = _insert_password(layers, document, choice.name, environ)
    own = {key: layers.values[key] for key in CLUSTER}
    return Settings(
        profile=Profile(name=choice.name or "default", **own, **later),
        ui=UiSettings(
            keymap=tables.keymap(document, choice.name) if document else {},
            **{key: layers.values[key] for key in _UI_FIELDS},
        ),
        origins={"profile": choice.origin, **layers.named_origins(), **_keymap_origins(document, choice)},
        warnings=_warnings(environ, document, choice) + stray,
        source=str(document.path) if document else None,
        profiles=tables.profiles(document) if document else [],
        tried=tried(options, environ, document, choice),
        shelf=_shelf(document, choice),
    )


def _shelf(document: Document | None, choice: Choice) -> Shelf:
    if document is None or choice.name is None:
        return Shelf()
    return Shelf(choice.name, document.path, tables.views(document, choice.name))


def _document(options: Options, environ: Mapping[str, str]) -> Document | None:
    """The file, checked as a whole; `None` when nobody named one and there is none."""
    path, origin = config_path(options.config, environ)
    if origin == "default" and not path.exists():
        return None
    document = read(path)
    tables.check_file(document)
    return document


def _layers(
    options: Options, environ: Mapping[str, str], document: Document | None, choice: Choice, cluster: bool
) -> _Layers:
    layers = _Layers(_defaults())
    if cluster:
        layers.put(environment.celery(environ))
    if document:
        layers.put(_from_table(document, ("ui",), UI, environ))
    if document and choice.name:
        layers.put(_from_table(document, ("profiles", choice.name), PROFILE, environ))
    layers.put(environment.own(environ, cluster))
    layers.put(_from_options(options))
    return layers


def _leave_stray_backend(layers: _Layers, environ: Mapping[str, str]) -> list[str]:
    """Celery's two variables speak of one cluster: beside another broker its backend is not taken.

    Results of the one must never be shown as results of the other. Returns the warning.
    """
    theirs = environ.get(environment.CELERY["broker"])
    name = f"${environment.CELERY['backend']}"
    if layers.origins.get("backend") != name or not theirs or layers.values["broker"] == theirs:
        return []
    layers.values["backend"], layers.origins["backend"] = None, "default"
    return [f"{name} is not used: it belongs to $CELERY_BROKER_URL, and this is another broker."]


def _defaults() -> Iterator[Entry]:
    profile, ui = Profile(), UiSettings()
    yield from ((key, getattr(profile, key), "default") for key in CLUSTER)
    yield from ((key, getattr(ui, key), "default") for key in _UI_FIELDS)


def _from_table(
    document: Document, path: KeyPath, known: Mapping[str, Setting], environ: Mapping[str, str]
) -> Iterator[Entry]:
    for key, value in tables.values(document, path, known, environ, ignored=tables.OWN).items():
        if key not in _WAYS:
            yield key, value, document.origin((*path, key))


def _from_options(options: Options) -> Iterator[Entry]:
    for key in ("broker", "backend", "beat", "timeout", "allow"):
        value = getattr(options, key)
        if value is not None:
            yield key, _option(key, value), f"--{key}"
    if options.enable_events:
        yield "enable_events", True, "--enable-events"
    if options.read_only:
        yield "allow", [], "--read-only"
        yield "may_unlock", [], "--read-only"


def _option(key: str, value: Any) -> Any:
    try:
        return CLUSTER[key].convert(value)
    except Wrong as wrong:
        raise UsageError(f"--{key} should be {wrong.expected}.", wrong.hint) from None


def _insert_password(
    layers: _Layers, document: Document, name: str, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Passwords of a command or the keyring, into the URLs of the same profile. That of the history is
    asked for by who opens it: without it the monitor starts all the same. Returns the way to it."""
    path = ("profiles", name)
    table = tables.values(document, path, PROFILE, environ, ignored=tables.OWN)
    later: dict[str, Any] = {}
    for url in _INDIRECT:
        way = _way_to(url, table, document, path)
        if way is None or layers.values[url] != table[url]:
            continue
        if url == "history_url":
            secrets.refuse_two(table[url], document, (*path, way))
            command = not way.endswith("keyring")
            later[way] = secrets.words(table[way], document, (*path, way)) if command else table[way]
        else:
            layers.values[url] = _with_password(table[url], table[way], way, document, path)
        layers.origins[url] += f", password from {way}"
    return later


def _way_to(url: str, table: Mapping[str, Any], document: Document, path: KeyPath) -> str | None:
    ways = [key for key in _INDIRECT[url] if key in table]
    if not ways:
        return None
    if len(ways) > 1:
        raise document.wrong((*path, ways[1]), f"and {ways[0]} both give a password", "Keep one of them.")
    if url not in table:
        raise document.wrong((*path, ways[0]), f"needs a {url} in the same profile")
    return ways[0]


def _with_password(url: str, way: Any, key: str, document: Document, profile: KeyPath) -> str:
    path = (*profile, key)
    fetch = secrets.from_keyring if key.endswith("keyring") else secrets.from_command
    return secrets.insert(url, lambda: fetch(way, document, path), document, path)


def _keymap_origins(document: Document | None, choice: Choice) -> dict[str, str]:
    if document is None:
        return {}
    places = tables.keymap_places(document, choice.name)
    return {f"keymap.{action}": document.origin(path) for action, path in places.items()}


def _warnings(environ: Mapping[str, str], document: Document | None, choice: Choice) -> list[str]:
    used = frozenset(secrets.variables(document.text)) if document else frozenset()
    told = environment.unknown(environ, used)
    if document and choice.name:
        told += secrets.warnings(document, ("profiles", choice.name))
    return told
