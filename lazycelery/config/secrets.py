"""Secrets that live outside the file: environment, a command, the keyring. None is ever shown or stored."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping

from lazycelery.config.document import Document, dotted
from lazycelery.config.lines import KeyPath
from lazycelery.config.urls import has_password, with_password

COMMAND_TIMEOUT = 15.0
"""Seconds that a password command may take: some ask a person for a finger on a key."""

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
    words = _words(command, document, path)
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise document.wrong(path, f"did not answer within {COMMAND_TIMEOUT:.0f} s") from None
    except OSError as error:
        raise document.wrong(
            path, f"cannot be started: {error.strerror}", "It is run without a shell."
        ) from None
    if done.returncode != 0:
        raise document.wrong(path, f"ended with code {done.returncode}", "Run it yourself to see why.")
    lines = done.stdout.decode(errors="replace").splitlines()
    if not lines or not lines[0]:
        raise document.wrong(path, "printed nothing", "It must print the password on its first line.")
    return lines[0]


def _words(command: str | list[str], document: Document, path: KeyPath) -> list[str]:
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError:
        raise document.wrong(path, "has a quote that is not closed") from None
    if not words:
        raise document.wrong(path, "is empty")
    return words


def from_keyring(entry: str, document: Document, path: KeyPath) -> str:
    """A password of the system keyring, named "service/user"."""
    service, separator, user = entry.rpartition("/")
    if not separator or not service or not user:
        raise document.wrong(path, 'should be "service/user"', 'For example keyring = "celery-prod/redis"')
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise document.wrong(
            path, "needs the package keyring, which is not installed", "pip install 'lazycelery[keyring]'"
        ) from None
    try:
        password = keyring.get_password(service, user)
    except Exception as error:  # keyring backends raise what they like; its text may hold anything
        raise document.wrong(path, f"cannot be read from the keyring ({type(error).__name__})") from None
    if not password:
        raise document.wrong(path, "is not in the keyring", f"keyring set {service} {user}")
    return str(password)


def insert(url: str, fetch: Callable[[], str], document: Document, path: KeyPath) -> str:
    """The URL with the password that `fetch` gives."""
    if has_password(url):
        raise document.wrong(path, "gives a password, and the URL has one too", "Take it out of the URL.")
    return with_password(url, fetch())


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
