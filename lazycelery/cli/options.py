"""The options that every command takes, before or after its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lazycelery.errors import UsageError

if TYPE_CHECKING:
    from lazycelery.config import Options

_KEY = "lazycelery.said"
_F = TypeVar("_F", bound=Callable[..., Any])


class Said:
    """What the common options said, all places together; the later place wins, `--allow` adds up."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def take(self, name: str, value: Any) -> None:
        """Remember one option. Nothing said (`None`, `False`, an empty tuple) changes nothing."""
        if value is None or value is False or value == ():
            return
        self.values[name] = [*self.values.get(name, []), *value] if isinstance(value, list) else value

    def __getattr__(self, name: str) -> Any:
        return self.values.get(name)

    def config_options(self, **more: Any) -> Options:
        """The same for `lazycelery.config.load`. Raises `UsageError` where several profiles were named."""
        from lazycelery.config import Options

        if len(self.profiles or ()) > 1:
            raise UsageError(
                "One profile at a time: this command looks at one cluster.",
                "Several are for the screen (lazycelery -p A -p B) and for lazycelery status.",
            )
        where = ("broker", "backend", "beat", "profile", "config")
        names = (*where, "allow", "read_only", "timeout", "enable_events")
        return Options(**{name: self.values[name] for name in names if name in self.values}, **more)


def said(context: click.Context) -> Said:
    """What was said so far; `context.meta` is shared between a group and its commands."""
    found = context.meta.setdefault(_KEY, Said())
    assert isinstance(found, Said)
    return found


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    said(context).take(str(parameter.name), value)


def not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Callback: no empty text, which is what an unset variable of the shell gives."""
    if value is not None and not value.strip():
        raise click.BadParameter(f"{value!r} tells nothing.", context, parameter)
    return value


def _record(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    _remember(context, parameter, not_empty(context, parameter, value))


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    names = [name.strip() for part in value for name in part.split(",") if name.strip()]
    said(context).take(str(parameter.name), names or None)


def _profiles(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    if value:
        told = said(context).values
        told["profile"], told["profiles"] = value[0], list(dict.fromkeys(value))


def _ascii(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:  # Where the configuration finds it, whichever command opens the screen.
        os.environ["LAZYCELERY_ASCII"] = "1"


def _option(*names: str, callback: Any = _remember, **settings: Any) -> Callable[[_F], _F]:
    return click.option(*names, callback=callback, expose_value=False, **settings)


COMMON: tuple[Callable[[Any], Any], ...] = (
    _option("-b", "--broker", metavar="URL", help="Broker, for example redis://localhost:6379/0."),
    _option("--backend", metavar="URL", help="Result backend; by default the workers are asked."),
    _option("--beat", metavar="URL", help="Beat's own schedule: RedBeat's Redis, or Django's database."),
    _option(
        "-p",
        "--profile",
        metavar="NAME",
        multiple=True,
        callback=_profiles,
        help="A profile of the configuration file; again for more of them, side by side.",
    ),
    _option("--config", metavar="FILE", help="Configuration file."),
    _option(
        "--allow",
        metavar="LIST",
        multiple=True,
        callback=_names,
        help="Open actions: retry, revoke, terminate, purge, move, delete, requeue, export, restore, events, "
        "pool, consumers, limits, shutdown, service, send, beat, reveal, operator, admin, all.",
    ),
    _option("--read-only", is_flag=True, help="Nothing that changes the cluster; wins over --allow."),
    _option("--json", is_flag=True, help="JSON on stdout, errors as JSON on stderr."),
    _option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="How long to wait for connections and for workers' answers.",
    ),
    _option(
        "--record",
        metavar="FILE",
        callback=_record,
        help="Record what is seen meanwhile, for lazycelery replay.",
    ),
    _option("--no-color", is_flag=True, help="No colours; so does NO_COLOR."),
    _option("--ascii", is_flag=True, callback=_ascii, help="Only ASCII on the screen; so does ui.ascii."),
    _option("--debug", is_flag=True, help="Where an unexpected error came from."),
)


enable_events = _option(
    "--enable-events", is_flag=True, help="Switch task events on meanwhile (--allow events)."
)


def observing(command: _F) -> _F:
    """Decorator: to watch events for a while before answering, also where workers send none."""
    command = enable_events(command)
    return click.option(
        "--observe",
        type=click.FloatRange(0, 3600),
        default=0.0,
        metavar="SECONDS",
        help="Watch events for so long before answering.",
    )(command)


def common(command: _F) -> _F:
    """Decorator: adds the common options to a command."""
    for option in reversed(COMMON):
        command = option(command)
    return command
