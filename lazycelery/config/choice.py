"""Which profile applies, and what to say when no broker is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lazycelery.config.document import Document, did_you_mean
from lazycelery.config.environment import CELERY
from lazycelery.config.places import config_path
from lazycelery.config.settings import Options
from lazycelery.config.tables import profiles
from lazycelery.errors import UsageError

VARIABLE = "LAZYCELERY_PROFILE"


class Choice(NamedTuple):
    """The chosen profile and who chose it, or why there is none."""

    name: str | None = None
    origin: str = "default"
    reason: str = ""


def choose(options: Options, environ: Mapping[str, str], document: Document | None) -> Choice:
    """`--profile`, `$LAZYCELERY_PROFILE`, `default_profile`, or the only profile there is.

    A broker given by hand belongs to no profile: `--broker` and `$LAZYCELERY_BROKER` leave the last
    two out, so that what one cluster allows is never applied to another.
    """
    for name, origin in ((options.profile, "--profile"), (environ.get(VARIABLE), f"${VARIABLE}")):
        if name:
            _must_exist(name, origin, document, options, environ)
            return Choice(name, origin)
    if document is None:
        return Choice(reason="no configuration file")
    if options.broker or environ.get("LAZYCELERY_BROKER"):
        return Choice(reason="a broker is given by hand, so no profile applies")
    return _by_file(document)


def _by_file(document: Document) -> Choice:
    names = profiles(document)
    default = document.data.get("default_profile")
    if default:
        if default not in names:
            raise document.wrong(
                ("default_profile",), "names a profile that is not there", _listed(default, names)
            )
        return Choice(default, document.origin(("default_profile",)))
    if len(names) == 1:
        return Choice(names[0], f"the only profile in {document.path.name}")
    return Choice(reason=f"none is chosen of {', '.join(names)}" if names else "the file has no profile")


def _must_exist(
    name: str, origin: str, document: Document | None, options: Options, environ: Mapping[str, str]
) -> None:
    if document is None:
        path, _ = config_path(options.config, environ)
        raise UsageError(
            f"{origin} names a profile, and there is no configuration file {path}.",
            "`lazycelery config init` writes one.",
        )
    names = profiles(document)
    if name not in names:
        raise UsageError(f"{document.path} has no profile {name}.", _listed(name, names))


def _listed(name: str, names: list[str]) -> str:
    return did_you_mean(name, names, f"It has: {', '.join(names)}." if names else "It has no profile.")


def tried(
    options: Options, environ: Mapping[str, str], document: Document | None, choice: Choice
) -> list[str]:
    """Where a broker was looked for and not found, in order of precedence."""
    path, _ = config_path(options.config, environ)
    if choice.name:
        profile = f"profiles.{choice.name} in {path}: no broker"
    elif document:
        profile = f"{path}: {choice.reason}"
    else:
        profile = f"{path}: not there"
    return ["--broker: not given", "$LAZYCELERY_BROKER: not set", profile, f"${CELERY['broker']}: not set"]
