"""Secrets that live outside the file: environment, a command, the keyring. None is ever shown or stored."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from lazycelery import passwords
from lazycelery.config.document import Document, dotted
from lazycelery.config.lines import KeyPath
from lazycelery.config.urls import has_password, with_password

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")


def variables(text: str) -> list[str]:
    """Names of the variables in a text, without the escaped ones (`$${`)."""
    return [name for name in _VARIABLE.findall(text) if name]


def interpolate(text: str, environ: Mapping[str, str], document: Document, path: KeyPath) -> str:
    """`${NAME}` replaced from the environment; `$${` stands for a plain `${`."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match[1]
        if name not in environ:
            raise document.wrong(
                path, f"needs the environment variable {name}, which is not set", f"export {name}=…"
            )
        return environ[name]

    return _VARIABLE.sub(value, text)


def is_literal(text: str, *, url: bool) -> bool:
    """Whether the file itself holds a password here."""
    plain = _VARIABLE.sub("", text)
    return has_password(plain) if url else bool(plain)


def from_command(command: str | list[str], document: Document, path: KeyPath) -> str:
    """The first line that a command prints. No shell; its output is never shown."""
    return _asked(lambda: passwords.from_command(words(command, document, path)), document, path)


def words(command: str | list[str], document: Document, path: KeyPath) -> list[str]:
    """The words of a command, as a shell takes them apart."""
    try:
        found = shlex.split(command) if isinstance(command, str) else command
    except ValueError:
        raise document.wrong(path, "has a quote that is not closed") from None
    if not found:
        raise document.wrong(path, "is empty")
    return found


def from_keyring(entry: str, document: Document, path: KeyPath) -> str:
    """A password of the system keyring, named "service/user"."""
    return _asked(lambda: passwords.from_keyring(entry), document, path)


def _asked(ask: Callable[[], str], document: Document, path: KeyPath) -> str:
    try:
        return ask()
    except passwords.NoPassword as problem:
        raise document.wrong(path, problem.what, problem.hint) from None


def insert(url: str, fetch: Callable[[], str], document: Document, path: KeyPath) -> str:
    """The URL with the password that `fetch` gives."""
    refuse_two(url, document, path)
    return with_password(url, fetch())


def refuse_two(url: str, document: Document, path: KeyPath) -> None:
    """Raises `UsageError` where the URL has a password already."""
    if has_password(url):
        raise document.wrong(path, "gives a password, and the URL has one too", "Take it out of the URL.")


def warnings(document: Document, profile: KeyPath) -> list[str]:
    """What to tell about passwords that stand in the file itself."""
    table = document.data[profile[0]][profile[1]]
    named = ("broker", "backend", "beat", "management", "history_url", "sentinel_password")
    texts = [(key, table[key]) for key in named if key in table]
    paths = [(*profile, key) for key, text in texts if is_literal(text, url=key != "sentinel_password")]
    if not paths:
        return []
    names = " and ".join(dotted(path) for path in paths)
    told = [
        f"{document.where(paths[0])}: {names} with a password in plain text. "
        "${VARIABLE}, password_command or keyring keep it out of the file."
    ]
    if document.readable_by_others():
        told.append(
            f"{document.path} holds a password and others may read it. Run: chmod 600 {document.path}"
        )
    return told
