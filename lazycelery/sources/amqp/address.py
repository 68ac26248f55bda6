"""Where a RabbitMQ is: broker URLs in Kombu's spellings, taken apart.

amqp://user:password@host:5672//             the virtual host "/"
amqps://user:password@host/shop              TLS, port 5671, virtual host "shop"
amqp://user:password@h1/team%2Fa;amqp://h2   several nodes of one cluster; virtual host "team/a"
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources.tls import Tls

EXAMPLE = "For example amqp://guest:guest@localhost:5672//."
SECURE = "amqps"
PORTS = {False: 5672, True: 5671}


class Node(msgspec.Struct, frozen=True):
    """One host of a cluster."""

    host: str
    port: int

    @property
    def place(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Address(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A parsed URL. Holds the password: show only `label`."""

    nodes: tuple[Node, ...]
    vhost: str = "/"
    username: str = "guest"
    password: str = "guest"
    tls: Tls | None = None

    def __repr__(self) -> str:
        return f"Address({self.label})"

    @property
    def place(self) -> str:
        """Hosts and ports."""
        return ", ".join(node.place for node in self.nodes)

    @property
    def label(self) -> str:
        """The URL without credentials."""
        return f"{'amqps' if self.tls else 'amqp'}://{self.place}/{self.vhost}"


def parse_address(url: str, profile: Profile) -> Address:
    """Take a URL apart. Raises `UsageError`, which never repeats credentials."""
    scheme = url.partition("://")[0]
    # Kombu takes "amqp://a;amqp://b" and "amqp://a;b".
    written = [part if "://" in part else f"{scheme}://{part}" for part in url.split(";") if part]
    first, *others = [_split(part) for part in written]
    options = dict(parse_qsl(first.query))
    secure = first.scheme == SECURE
    return Address(
        nodes=tuple(_node(part, secure) for part in (first, *others)),
        vhost=_vhost(first.path) or options.get("virtual_host") or "/",
        username=unquote(first.username or "") or "guest",
        password="guest" if first.password is None and not first.username else unquote(first.password or ""),
        tls=_tls(options, profile) if secure else None,
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError("The URL's host or port cannot be read.", EXAMPLE) from None
    return parts


def _node(part: SplitResult, secure: bool) -> Node:
    return Node(unquote(part.hostname or "") or "127.0.0.1", part.port or PORTS[secure])


def _vhost(path: str) -> str:
    """`//` names "/", `/shop` names "shop", and `/` nothing: then it is "/" too."""
    return unquote(path[1:])


def _tls(options: dict[str, str], profile: Profile) -> Tls:
    wanted = options.get("ssl_cert_reqs", options.get("verify", "required")).lower().removeprefix("cert_")
    lax = {"none", "optional", "verify_none"}
    if wanted not in lax | {"required", "peer", "verify_peer"}:
        raise UsageError(f"ssl_cert_reqs cannot be {wanted[:20]!r}.", "It is required, optional or none.")
    verify = profile.tls_verify and wanted not in lax
    return Tls(
        verify=verify,
        check_hostname=verify and options.get("ssl_check_hostname", "true").lower() != "false",
        ca=profile.tls_ca or options.get("ssl_ca_certs") or options.get("ca_certs"),
        cert=profile.tls_cert or options.get("ssl_certfile") or options.get("certfile"),
        key=profile.tls_key or options.get("ssl_keyfile") or options.get("keyfile"),
    )
