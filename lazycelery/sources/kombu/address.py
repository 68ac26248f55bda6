"""Where a Kombu transport is, from a profile: the URL for Kombu, its options, and a label without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from lazycelery.errors import UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources.kombu.transports import Transport, transport_of

CONTROL = "control"
"""The folder of bindings inside a folder that a filesystem:// URL names."""


class Address(NamedTuple):
    """All that a connection needs."""

    transport: Transport
    url: str
    """For Kombu, with credentials."""
    options: dict[str, Any]
    """`transport_options` of the application."""
    label: str
    """Without credentials."""
    timeout: float
    """Seconds for connecting, and for each answer."""


def parse_address(profile: Profile) -> Address:
    """The address of a profile's broker. Raises `UsageError`, without credentials."""
    url = profile.broker.strip()
    scheme, _, rest = url.partition("://")
    transport = transport_of(scheme)
    if transport is None:
        raise UsageError(f"{scheme[:30]}:// is no transport of Kombu.")
    base, _, query = url.partition("?")
    options = dict(profile.transport_options)
    if transport.options:
        options |= _queried(query, transport)
    if transport.scheme in ("sqs", "filesystem"):
        url = base
    if transport.scheme == "filesystem":
        options = _folders(unquote(urlsplit(base).path), options)
        url = "filesystem://"
    return Address(transport, url, options, _label(transport, scheme, rest, options), profile.timeout)


def _queried(query: str, transport: Transport) -> dict[str, Any]:
    known = {name: value for name, value in parse_qsl(query) if name in transport.options}
    return {name: _number(value) if name.endswith(("interval", "timeout")) else value
            for name, value in known.items()}  # fmt: skip


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            "A number is expected in the broker's URL.", "For example polling_interval=0.1"
        ) from None


def _folders(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """`filesystem:///srv/app` holds the messages in that folder, and bindings in its `control`."""
    folders = dict(options)
    if path.strip("/"):
        folders.setdefault("data_folder_in", path)
        folders.setdefault("data_folder_out", path)
        folders.setdefault("control_folder", os.path.join(path, CONTROL))
    missing = [name for name in ("data_folder_in", "data_folder_out") if not folders.get(name)]
    if missing:
        raise UsageError(
            f"The filesystem transport needs {' and '.join(missing)}.",
            "Name the folder, filesystem:///srv/app/broker, or what the application sets in its "
            "broker_transport_options: [profiles.NAME.transport_options], or ?data_folder_in=… in the URL.",
        )
    folders.setdefault("control_folder", CONTROL)
    for name in ("data_folder_in", "data_folder_out", "control_folder"):
        folders[name] = os.path.abspath(os.path.expanduser(str(folders[name])))
    return folders


def _label(transport: Transport, scheme: str, rest: str, options: Mapping[str, Any]) -> str:
    if transport.scheme == "filesystem":
        return f"filesystem://{options['data_folder_in']}"
    place = rest.partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{place}"
