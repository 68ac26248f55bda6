"""Passwords in broker URLs: find and put in. No URL is ever shown from here."""

from __future__ import annotations

import re
from urllib.parse import quote

_HOST = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)?(?:(?P<user>[^?#]*)@)?(?P<rest>.*)", re.DOTALL)
_NEXT = re.compile(r";(?=[A-Za-z][\w+.-]*://)")
_QUERY_PASSWORD = re.compile(r"[?&][\w-]*password=[^&]", re.IGNORECASE)


def hosts(url: str) -> list[str]:
    """The URLs of a list like `sentinel://a;sentinel://b`."""
    return _NEXT.split(url)


def passwords(url: str) -> list[str]:
    """Every password that stands in front of a host, as written."""
    found = [_split(part)[1].partition(":")[2] for part in hosts(url)]
    return [password for password in found if password]


def has_password(url: str) -> bool:
    """Whether a password stands in the URL, in front of a host or in the query."""
    return bool(passwords(url) or _QUERY_PASSWORD.search(url))


def with_password(url: str, password: str) -> str:
    """The URL with this password, percent-encoded, on every host."""
    return ";".join(_on_one_host(part, quote(password, safe="")) for part in hosts(url))


def _on_one_host(part: str, password: str) -> str:
    scheme, user, rest = _split(part)
    return f"{scheme}{user.partition(':')[0]}:{password}@{rest}"


def _split(part: str) -> tuple[str, str, str]:
    match = _HOST.fullmatch(part)
    return (match["scheme"] or "", match["user"] or "", match["rest"]) if match else ("", "", part)
