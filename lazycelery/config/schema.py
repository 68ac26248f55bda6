"""The table of settings: name, type and what is expected, in plain words.

Checks of the file, environment variables, `config show` and the tests of config.example.toml are all
derived from it. `lazycelery.model.profile.Profile` documents what each setting does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from lazycelery.config.document import did_you_mean
from lazycelery.config.places import themes_directory
from lazycelery.model.action import PERMISSIONS, ROLES
from lazycelery.model.alert import AlertTarget
from lazycelery.model.limits import OVER_TIME, REMEMBERED, Limits
from lazycelery.model.rule import Rule
from lazycelery.model.service import Service

BARE = ("memory", "filesystem", "sqs", "gcpubsub")
"""Schemes of brokers that may stand alone: the rest is in the environment or in transport_options."""
THEMES = ("dark", "light", "contrast", "colorblind", "terminal")

_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400 * 365)]
_Paint = Annotated[float, msgspec.Meta(ge=0.02, le=10)]
_Days = Annotated[float, msgspec.Meta(gt=0, le=36_500)]
_Room = Annotated[int, msgspec.Meta(ge=1_000_000)]
_Count = Annotated[int, msgspec.Meta(ge=1)]
_Steps = Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=255)]], msgspec.Meta(min_length=1)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Command = str | list[str]


class Wrong(Exception):
    """A value that a setting does not take: what was expected, and a hint."""

    def __init__(self, expected: str, hint: str = "", inside: tuple[str, ...] = ()) -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint
        self.inside = inside
        """The keys that lead to it, where the value is a table."""


class Setting(NamedTuple):
    """One key of a table."""

    type: Any
    expected: str
    check: Callable[[Any], Any] = lambda value: value
    """Turns a value of the right type into the one that is used, or raises `Wrong`."""
    secret: bool = False
    environment: bool = True
    """Whether `LAZYCELERY_<NAME>` sets it."""

    def convert(self, value: Any) -> Any:
        """The checked value. Raises `Wrong`."""
        try:
            return self.check(msgspec.convert(value, self.type))
        except msgspec.ValidationError:
            raise Wrong(self.expected) from None

    def parse(self, text: str) -> Any:
        """A value given as text, as in an environment variable; lists are comma separated."""
        if self.type is bool:
            if text.lower() not in _BOOLEANS:
                raise Wrong("yes or no")
            return self.check(_BOOLEANS[text.lower()])
        raw = [part.strip() for part in text.split(",") if part.strip()] if self.is_list else text
        try:
            return self.check(msgspec.convert(raw, self.type, strict=False))
        except msgspec.ValidationError:
            raise Wrong(self.expected) from None

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return self.expected.startswith("a list")


_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def permissions(names: list[str]) -> list[str]:
    """Permissions for names of permissions and roles, in the order of `PERMISSIONS`."""
    wanted: set[str] = set()
    for name in names:
        if name not in ROLES and name not in PERMISSIONS:
            known = sorted({*PERMISSIONS, *ROLES})
            raise Wrong(
                f"names of permissions or roles; {_quoted(name)} is neither",
                did_you_mean(name, known, f"Known: {', '.join(known)}."),
            )
        wanted.update(ROLES.get(name, (name,)))
    return [name for name in PERMISSIONS if name in wanted]


def _quoted(name: str) -> str:
    return f'"{name[:40]}"' if name.isprintable() else "one of them"


def url(text: str) -> str:
    """A URL, by its look; whether the scheme is served is for the engine to say. The text is never shown."""
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme or not (rest or scheme.lower() in BARE):
        raise Wrong("a URL", "For example redis://localhost:6379/0")
    return text


_BAD_PERCENT = re.compile(r"%(?!(?!00)[0-9A-Fa-f]{2})")


def database(text: str) -> str:
    """A URL of PostgreSQL, as libpq takes it. The text is never shown."""
    scheme, found, rest = text.partition("://")
    if scheme not in ("postgresql", "postgres") or not found:
        raise Wrong("a URL of PostgreSQL", "For example postgresql://lazycelery@db.internal/monitoring")
    # Else libpq takes a part of the password for the host, and shows it.
    if rest.partition("?")[0].count("@") > 1 or _BAD_PERCENT.search(rest):
        raise Wrong(
            "a URL whose password has @ as %40 and % as %25", "Or take it from history_password_command."
        )
    return text


def plain_name(text: str) -> str:
    """What may be a part of a schema's name."""
    if not (text.isascii() and text.replace("_", "").isalnum() and len(text) <= 40):
        raise Wrong("letters, digits and _, 40 at most", 'For example history_name = "shop"')
    return text


def transport_options(table: dict[str, Any]) -> dict[str, Any]:
    """Texts, numbers, booleans, and lists and tables of them: what Kombu takes, and JSON carries."""
    for name, value in table.items():
        _plain(name, value)
    return table


def _plain(name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _plain(f"{name}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            _plain(name, inner)
    elif not isinstance(value, (str, bool, int, float)):
        raise Wrong("texts, numbers, true and false", f"{_quoted(name)} is a {type(value).__name__}.")


def doctor(table: dict[str, Any]) -> dict[str, float]:
    """Limits of the doctor by their names, each a number of its kind."""
    known = Limits.__struct_fields__
    for name, value in table.items():
        if name not in known:
            raise Wrong("the name of a limit", did_you_mean(name, known, ", ".join(known)), (name,))
        whole = isinstance(getattr(Limits(), name), int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < 1e12:
            raise Wrong(f"a {'whole ' if whole else ''}number from 0", "", (name,))
        if value > 1 and name.endswith(("_share", "loss", "memory", "failure_critical")):
            raise Wrong("a share from 0 to 1", "", (name,))
        if name in OVER_TIME and value > REMEMBERED:
            raise Wrong(f"at most {REMEMBERED:.0f} seconds", "Ten minutes of queues are remembered.", (name,))
    return {name: value if isinstance(value, int) else float(value) for name, value in table.items()}


def sla(table: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Targets by patterns of task names; spans may be texts like 5s."""
    found: dict[str, dict[str, float]] = {}
    for pattern, target in table.items():
        if not isinstance(target, dict) or not pattern or not {"wait", "runtime", "success"} & target.keys():
            raise Wrong("a table with wait, runtime or success", 'For example wait = "5s".', (pattern,))
        found[pattern] = {key: _aim(pattern, key, value) for key, value in target.items()}
    return found


def _aim(pattern: str, key: str, value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if key in ("success", "share"):
        if not number or not 0 < value < 1:
            raise Wrong("a share above 0 and below 1, like 0.999", "", (pattern, key))
        return float(value)
    if key not in ("wait", "runtime", "window"):
        known = ("wait", "runtime", "success", "share", "window")
        raise Wrong(f"one of {', '.join(known)}", did_you_mean(key, known), (pattern, key))
    seconds = float(value) if number else _span(value)
    if key == "window" and not 3600 <= seconds <= 30 * 86_400:
        raise Wrong("a span from 1h to 30d", "", (pattern, key))
    if not 0 < seconds <= 30 * 86_400:
        raise Wrong("a span like 5s, 500ms, 2m or 1h", "", (pattern, key))
    return seconds


def _span(text: Any) -> float:
    """Seconds of `500ms`, `5s`, `2m`, `6h`, `7d`; 0 for what is none."""
    found = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def services(found: list[Service]) -> list[Service]:
    """Commands of workers, each named once, none with a host that ssh would take for an option."""
    names = [service.name for service in found]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise Wrong(f"one table a worker; {_quoted(double)} has several")
    for service in found:
        if not service.name:
            raise Wrong("named: each table needs the name of its worker")
        if service.host is not None and (not service.host or service.host.startswith("-")):
            raise Wrong(f"with a host that is one, or none; that of {_quoted(service.name)} is neither")
    return found


def alerts(found: list[AlertTarget]) -> list[AlertTarget]:
    """Targets of alerts, each named once, each with one way out. No URL is ever shown."""
    names = [target.name for target in found]
    for target in found:
        name = _quoted(target.name)
        ways = [way for way in ("command", "webhook", "slack", "terminal") if getattr(target, way)]
        if not target.name or names.count(target.name) > 1:
            raise Wrong(f"named, each otherwise; {name} is not")
        if len(ways) != 1:
            said = " and ".join(ways) or "none"
            raise Wrong(f"each with one of command, webhook, slack, terminal; {name} has {said}")
        for url_ in filter(None, (target.webhook, target.slack)):
            _endpoint(url_, name)
        if target.authorization_env and target.authorization_keyring:
            raise Wrong(f"each with one Authorization; {name} has two", "Keep one of them.")
        if (target.authorization_env or target.authorization_keyring) and ways != ["webhook"]:
            raise Wrong(f"without Authorization where there is no webhook; {name} has one")
        if target.authorization_env and not target.authorization_env.isidentifier():
            raise Wrong(
                f"with the name of a variable in authorization_env; that of {name} is none",
                'The header itself is never in the file: export TOKEN=…, authorization_env = "TOKEN"',
            )
        if "/" not in (target.authorization_keyring or "/"):
            raise Wrong(f'with "service/user" in authorization_keyring; {name} has something else')
        if min(target.cool_down, target.group) < 0 or not 0 < target.timeout <= 300:
            raise Wrong(f"with cool_down and group from 0, and a timeout up to 300 s; {name} has others")
        _check_codes(target.codes, name)
    return found


def rules(found: list[Rule]) -> list[Rule]:
    """Rules for failed tasks, each named once, with numbers that make sense."""
    names = [rule.name for rule in found]
    for rule in found:
        name = _quoted(rule.name)
        if not rule.name or names.count(rule.name) > 1:
            raise Wrong(f"named, each otherwise; {name} is not")
        if min(rule.failures, rule.most, rule.give_up) < 1 or rule.retries < 0:
            raise Wrong(f"with failures, most and give_up from 1, and retries from 0; {name} has others")
        if rule.within <= 0 or rule.backoff < 0:
            raise Wrong(f"with seconds in within and backoff; {name} has others")
    return found


def _endpoint(url_: str, name: str) -> None:
    parts = urlsplit(url_)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Wrong(f"with http:// or https:// URLs; that of {name} is none")
    if parts.username or parts.password:
        raise Wrong(
            f"without credentials in a URL; {name} has some", "authorization_env names a variable for them."
        )


def _check_codes(patterns: list[str], name: str) -> None:
    # The codes are the doctor's; they are read only where there is a pattern to check.
    if not patterns:
        return
    from fnmatch import fnmatchcase

    from lazycelery.insight.doctor import MODES

    for pattern in patterns:
        plain = pattern.removeprefix("!")
        if not any(fnmatchcase(code, plain) for code in MODES):
            near = did_you_mean(plain, MODES, "`lazycelery explain` lists them.")
            raise Wrong(f"with codes of findings; {_quoted(plain)} of {name} matches none", near)


def path(text: str) -> str:
    """A path with `~` expanded."""
    return os.path.expanduser(text)


def theme(name: str) -> str:
    """The name of a theme: built in, or a file of the person's own."""
    plain = name.replace("-", "").replace("_", "").isalnum()
    if name in THEMES or (plain and (themes_directory(os.environ) / f"{name}.toml").is_file()):
        return name
    raise Wrong(_THEMES, did_you_mean(name, THEMES, f"An own theme is a file {name[:40]}.toml in themes/."))


_THEMES = f"one of {', '.join(THEMES)}, or an own one"
_URL = "a URL like redis://host:6379/0"
_SECONDS = "a number of seconds above 0"
_YES_NO = "true or false"
_NAMES = "a list of names"
_TEXT = "text in quotes"
_ALERTS = (
    "tables with a name, one of command, webhook, slack, terminal, and least, codes, subjects, cool_down, "
    "group, recovery, timeout, authorization_env, authorization_keyring"
)
_RULES = (
    "tables with a name, and task, error, failures, within, retries, backoff, aside, most, give_up, apply"
)
_SERVICES = "tables with a name, and host, unit, start, stop, restart, logs as texts or lists of words"

UI: dict[str, Setting] = {
    "theme": Setting(str, _THEMES, theme),
    "ascii": Setting(bool, _YES_NO),
    "mouse": Setting(bool, _YES_NO),
    "utc": Setting(bool, _YES_NO),
    "refresh": Setting(_Seconds, _SECONDS),
    "paint": Setting(_Paint, "a number of seconds from 0.02 to 10"),
}
"""`[ui]`. `theme` and `refresh` are what a profile may set for itself."""

CLUSTER: dict[str, Setting] = {
    "broker": Setting(str, _URL, url, secret=True),
    "backend": Setting(str, _URL, url, secret=True),
    "beat": Setting(str, "a URL like redis://host:6379/2 or postgresql://host/app", url, secret=True),
    "beat_prefix": Setting(str, _TEXT),
    "allow": Setting(list[str], "a list of permissions or roles", permissions),
    "may_unlock": Setting(list[str], "a list of permissions or roles", permissions),
    "production": Setting(bool, _YES_NO),
    "prefix": Setting(str, _TEXT),
    "result_prefix": Setting(str, _TEXT),
    "sep": Setting(_Text, _TEXT),
    "priority_steps": Setting(_Steps, "a list of whole numbers from 0 to 255"),
    "unacked_key": Setting(_Text, _TEXT),
    "unacked_index_key": Setting(_Text, _TEXT),
    "visibility_timeout": Setting(_Seconds, _SECONDS),
    "event_exchange": Setting(_Text, _TEXT),
    "control_exchange": Setting(_Text, _TEXT),
    "queues": Setting(list[str], _NAMES),
    "master_name": Setting(_Text, _TEXT),
    "sentinel_password": Setting(_Text, _TEXT, secret=True),
    "transport_options": Setting(
        dict[str, Any], "a table of broker_transport_options", transport_options, environment=False
    ),
    "management": Setting(str, "a URL like http://rabbit:15672", url, secret=True),
    "tls_verify": Setting(bool, _YES_NO),
    "tls_ca": Setting(_Text, "the path of a file", path),
    "tls_cert": Setting(_Text, "the path of a file", path),
    "tls_key": Setting(_Text, "the path of a file", path),
    "refresh": Setting(_Seconds, _SECONDS),
    "control_refresh": Setting(_Seconds, _SECONDS),
    "timeout": Setting(_Seconds, _SECONDS),
    "max_tasks": Setting(_Count, "a whole number from 1"),
    "redact": Setting(list[str], "a list of names or patterns"),
    "redact_default": Setting(bool, _YES_NO),
    "audit_file": Setting(_Text, "the path of a file", path),
    "backup_dir": Setting(_Text, "the path of a directory", path),
    "history": Setting(bool, _YES_NO),
    "history_dir": Setting(_Text, "the path of a directory", path),
    "history_url": Setting(str, "a URL like postgresql://user@host/database", database, secret=True),
    "history_name": Setting(_Text, "letters, digits and _", plain_name),
    "history_days": Setting(_Days, "a number of days above 0"),
    "history_max_bytes": Setting(_Room, "a whole number of bytes from 1000000"),
    "sla": Setting(dict[str, Any], 'tables like [profiles.NAME.sla."shop.*"]', sla, environment=False),
    "doctor": Setting(dict[str, Any], "a table of limits with numbers from 0", doctor, environment=False),
    "enable_events": Setting(bool, _YES_NO),
    "alerts": Setting(list[AlertTarget], _ALERTS, alerts, environment=False),
    "rules": Setting(list[Rule], _RULES, rules, environment=False),
    "workers": Setting(list[Service], _SERVICES, services, environment=False),
}
"""The settings of a profile that become fields of `Profile`, in the order they are shown."""

PROFILE: dict[str, Setting] = {
    **CLUSTER,
    "theme": UI["theme"],
    "password_command": Setting(_Command, "a command: text, or a list of words", environment=False),
    "keyring": Setting(_Text, 'a keyring entry, "service/user"', environment=False),
    "history_password_command": Setting(_Command, "a command: text, or a list of words", environment=False),
    "history_keyring": Setting(_Text, 'a keyring entry, "service/user"', environment=False),
}
"""`[profiles.NAME]`, beside its tables `keymap` and `views`."""
