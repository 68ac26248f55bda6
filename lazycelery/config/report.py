"""Settings for people and for other machines: with origins, as TOML, never with a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from lazycelery.config.document import dotted, literal
from lazycelery.config.schema import CLUSTER, UI
from lazycelery.config.settings import Settings, UiSettings
from lazycelery.config.urls import hosts
from lazycelery.config.views import TABLE as VIEWS
from lazycelery.config.views import written
from lazycelery.model.alert import AlertTarget
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import REDACTED, Redactor
from lazycelery.model.rule import Rule
from lazycelery.model.service import Service

PLACEHOLDER = "${LAZYCELERY_PASSWORD}"
"""Stands for a password in an exported file."""
_URLS = ("broker", "backend", "beat", "history_url")


class Row(NamedTuple):
    """One value in effect. Secrets in `value` are redacted already."""

    key: str
    value: Any
    origin: str


def rows(settings: Settings) -> list[Row]:
    """Every setting in effect: the profile's name, the cluster's, the screen's, the keys."""
    found = [Row("profile", settings.profile.name, settings.origins.get("profile", "default"))]
    for key in CLUSTER:
        found.append(_row(settings, key, _shown(key, getattr(settings.profile, key))))
    for key in UI:
        if key in UiSettings.__struct_fields__:
            found.append(_row(settings, f"ui.{key}", getattr(settings.ui, key)))
    found += [_row(settings, f"keymap.{action}", keys) for action, keys in settings.ui.keymap.items()]
    where = f"profiles.{settings.profile.name}.{VIEWS} in {Path(settings.source or '').name}"
    return found + [Row(f"{VIEWS}.{name}", view.text, where) for name, view in settings.shelf.views.items()]


def _row(settings: Settings, key: str, value: Any) -> Row:
    return Row(key, value, settings.origins.get(key, "default"))


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return Redactor().value(value)
    if isinstance(value, list) and value and isinstance(value[0], (Service, AlertTarget, Rule)):
        return [_given(one) for one in value]
    if not value or not CLUSTER[key].secret:
        return value
    return _redacted(value) if key in _URLS else REDACTED


def _given(table: Service | AlertTarget | Rule) -> Any:
    """What is set of it, secrets redacted; of a URL of alerts the host alone is no secret."""
    default = {} if isinstance(table, Service) else msgspec.to_builtins(type(table)(name=""))
    told = {
        key: value
        for key, value in msgspec.to_builtins(table).items()
        if value is not None and value != default.get(key)
    }
    names = {key: told.pop(key) for key in ("authorization_env", "authorization_keyring") if key in told}
    for key in ("webhook", "slack"):
        if key in told:
            told[key] = f"{urlsplit(told[key]).scheme}://{urlsplit(told[key]).hostname}/{REDACTED}"
    return {**Redactor().value(told), **names}


def _redacted(url: str) -> str:
    return ";".join(Redactor().url(host) for host in hosts(url))


def export(settings: Settings) -> str:
    """The settings in effect that are not defaults, as a file that loads. Passwords are placeholders."""
    name = settings.profile.name
    ui = _changed(settings.ui, UiSettings(), [key for key in UI if key in UiSettings.__struct_fields__])
    cluster = _changed(settings.profile, Profile(), list(CLUSTER))
    tables = [
        ("ui", ui),
        ("keymap", settings.ui.keymap),
        (dotted(("profiles", name)), {key: _exported(key, value) for key, value in cluster.items()}),
        (
            dotted(("profiles", name, VIEWS)),
            {key: written(view) for key, view in settings.shelf.views.items()},
        ),
    ]
    parts = [f"default_profile = {_toml(name)}\n"]
    parts += [_table(header, values) for header, values in tables if values]
    return "\n".join(parts)


def _changed(now: Any, default: Any, keys: list[str]) -> dict[str, Any]:
    return {key: getattr(now, key) for key in keys if getattr(now, key) != getattr(default, key)}


def _exported(key: str, value: Any) -> Any:
    if key in _URLS:
        return _redacted(str(_escaped(value))).replace("***", PLACEHOLDER)
    return PLACEHOLDER if CLUSTER[key].secret else _escaped(_shown(key, value))


def _escaped(value: Any) -> Any:
    if isinstance(value, list):
        return [_escaped(one) for one in value]
    if isinstance(value, dict):
        return {key: _escaped(one) for key, one in value.items()}
    return value.replace("${", "$${") if isinstance(value, str) else value


def _table(header: str, values: dict[str, Any]) -> str:
    lines = [f"{dotted((key,))} = {_toml(value)}\n" for key, value in values.items()]
    return f"[{header}]\n{''.join(lines)}"


def _toml(value: Any) -> str:
    """Texts, numbers, booleans, lists and tables: JSON writes all but tables as TOML does."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{dotted((key,))} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return literal(value)
