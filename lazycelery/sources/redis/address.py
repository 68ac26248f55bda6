"""Where a Redis is: broker and backend URLs in Kombu's spellings and redis-py's, taken apart.

redis://:password@host:6379/3          rediss://user:password@host/0?ssl_ca_certs=/ca.pem
redis+socket:///run/redis.sock?virtual_host=3        unix:///run/redis.sock?db=3
sentinel://:pw@h1:26379/0;sentinel://h2:26379/0?master_name=mymaster
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources.tls import Tls

EXAMPLE = "For example redis://localhost:6379/0."
SOCKETS = ("redis+socket", "unix", "redis+unix")


class Address(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A parsed URL. Holds the password: show only `label`."""

    nodes: tuple[tuple[str, int], ...] = ()
    """Host and port; with `sentinel`, those of the sentinels."""
    path: str | None = None
    """A unix socket."""
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: Tls | None = None
    sentinel: bool = False
    master: str | None = None
    sentinel_password: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.label})"

    @property
    def place(self) -> str:
        """Host and port, or the socket's path."""
        return self.path or ", ".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.nodes)

    @property
    def label(self) -> str:
        """The URL without credentials."""
        scheme = "sentinel" if self.sentinel else "rediss" if self.tls else "redis"
        if self.path:
            return f"redis+socket://{self.path}?virtual_host={self.db}"
        return f"{scheme}://{self.place}/{self.db}"


def parse_address(url: str, profile: Profile) -> Address:
    """Take a URL apart. Raises `UsageError`, which never repeats credentials."""
    first, *others = [_split(part) for part in url.split(";") if part]
    options = dict(parse_qsl(first.query))
    for other in others:
        options = {**dict(parse_qsl(other.query)), **options}
    sentinel = first.scheme == "sentinel"
    return Address(
        nodes=() if first.scheme in SOCKETS else _nodes([first, *others] if sentinel else [first]),
        path=_socket(first) if first.scheme in SOCKETS else None,
        db=_database(first, options),
        username=unquote(first.username or "") or options.get("username") or None,
        password=unquote(first.password or "") or options.get("password") or None,
        tls=_tls(first.scheme, options, profile),
        sentinel=sentinel,
        master=profile.master_name or options.get("master_name"),
        sentinel_password=profile.sentinel_password or options.get("sentinel_password"),
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError("The URL's host or port cannot be read.", EXAMPLE) from None
    return parts


def _nodes(parts: list[SplitResult]) -> tuple[tuple[str, int], ...]:
    default = 26379 if parts[0].scheme == "sentinel" else 6379
    return tuple((unquote(part.hostname or "") or "127.0.0.1", part.port or default) for part in parts)


def _socket(parts: SplitResult) -> str:
    path = unquote(parts.netloc.rpartition("@")[2] + parts.path)
    if not path.strip("/"):
        raise UsageError(
            "The URL names no unix socket.",
            "For example redis+socket:///run/redis/redis.sock?virtual_host=0.",
        )
    return "/" + path.lstrip("/")


def _database(parts: SplitResult, options: dict[str, str]) -> int:
    path = "" if parts.scheme in SOCKETS else unquote(parts.path)
    text = options.get("virtual_host") or options.get("db") or path
    text = text.strip("/")
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        # Behind an @ or / that was not encoded stands the end of a password.
        told = f", not {text!r}" if text.isidentifier() and "@" not in parts.netloc else ""
        hint = "In a password, write @ / # % as %40 %2F %23 %25. "
        raise UsageError(f"The database must be a number{told}.", (hint if not told else "") + EXAMPLE)
    return int(text)


def _tls(scheme: str, options: dict[str, str], profile: Profile) -> Tls | None:
    asked = any(name.startswith("ssl") for name in options)
    if scheme != "rediss" and not (scheme == "sentinel" and asked):
        return None
    wanted = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if wanted not in ("none", "optional", "required"):
        raise UsageError(f"ssl_cert_reqs cannot be {wanted[:20]!r}.", "It is required, optional or none.")
    verify = profile.tls_verify and wanted == "required"
    return Tls(
        verify=verify,
        check_hostname=verify and options.get("ssl_check_hostname", "true").lower() != "false",
        ca=profile.tls_ca or options.get("ssl_ca_certs"),
        cert=profile.tls_cert or options.get("ssl_certfile"),
        key=profile.tls_key or options.get("ssl_keyfile"),
    )
