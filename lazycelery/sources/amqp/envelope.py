"""AMQP messages as one piece of JSON, and back: body and properties to the byte.

It is the envelope that Kombu writes on Redis, so `wire` reads both, and a backup of one broker can be
restored into the other. `properties.amqp` holds the properties' exact bytes for as long as nobody changed
them; types that JSON lacks are written as {"__amqp__": type, "value": …}.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from lazycelery.errors import Refused
from lazycelery.sources.amqp.properties import (
    FIELDS,
    Properties,
    read_properties,
    without_header,
    write_properties,
)
from lazycelery.sources.amqp.tables import Malformed
from lazycelery.sources.jsontext import size_text

MARK = "__amqp__"
EXACT = "amqp"
APART = ("content_type", "content_encoding", "headers")
"""Properties that have places of their own in the envelope."""
PLAIN = tuple(name for name, _ in FIELDS if name not in APART)
COUNTED = "x-delivery-count"
"""The header in which quorum queues count: no part of the message."""


def delivery_count(raw: bytes) -> int:
    """How often a quorum queue has delivered a message before; `raw` are its properties."""
    count = _properties(raw).get("headers", {}).get(COUNTED, 0)
    return count if isinstance(count, int) else 0


def priority_of(raw: bytes) -> int:
    """The priority in a message's properties; 0 when it has none."""
    return int(_properties(raw).get("priority", 0))


def to_envelope(body: bytes, raw: bytes, method: Any) -> bytes:
    """A delivered message: its body, the bytes of its properties, and pika's delivery."""
    properties = _properties(raw)
    headers = properties.get("headers", {})
    if headers.pop(COUNTED, None) is not None:
        raw = without_header(raw, COUNTED)
    document = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": properties.get("content_encoding"),
        "content-type": properties.get("content_type"),
        "headers": _written(headers),
        "properties": {
            **{name: properties[name] for name in PLAIN if name in properties},
            "delivery_info": {
                "exchange": method.exchange,
                "routing_key": method.routing_key,
                "redelivered": bool(method.redelivered),
            },
            "body_encoding": "base64",
            EXACT: base64.b64encode(raw).decode(),
        },
    }
    return json.dumps(document).encode()


def from_envelope(envelope: bytes, username: str) -> tuple[bytes, Properties]:
    """Body and properties to publish as this user. Raises `Refused` for what is no envelope."""
    try:
        document = json.loads(envelope)
        written = document.get("properties") or {}
        properties = {name: written.get(name) for name in PLAIN}
        if properties["user_id"] != username:
            # RabbitMQ refuses to let one user speak for another.
            foreign, properties["user_id"] = properties["user_id"] is not None, None
        else:
            foreign = False
        properties["content_type"] = document.get("content-type")
        properties["content_encoding"] = document.get("content-encoding")
        properties["headers"] = _read(document.get("headers") or {})
        exact = None if foreign else written.get(EXACT)
        raw = base64.b64decode(exact) if exact else write_properties(properties)
        return _body(document, written), Properties.of(raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise Refused(f"This message of {size_text(len(envelope))} has no Kombu envelope.") from None


def _properties(raw: bytes) -> dict[str, Any]:
    try:
        return read_properties(raw)
    except Malformed:
        return {}


def _body(document: dict[str, Any], properties: dict[str, Any]) -> bytes:
    body = document["body"]
    if properties.get("body_encoding") == "base64":
        return base64.b64decode(body)
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _written(value: Any) -> Any:
    """A value of an AMQP table in JSON's types."""
    if isinstance(value, dict):
        plain = {str(key): _written(item) for key, item in value.items()}
        return {MARK: "table", "value": plain} if MARK in plain else plain
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, datetime):
        return {MARK: "timestamp", "value": int(value.timestamp())}
    if isinstance(value, bytes):
        return {MARK: "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {MARK: "decimal", "value": str(value)}
    return value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, dict):
        return value
    if MARK not in value:
        return {key: _read(item) for key, item in value.items()}
    kind, inner = value[MARK], value["value"]
    if kind == "timestamp":
        return datetime.fromtimestamp(inner, timezone.utc)
    if kind == "bytes":
        return base64.b64decode(inner)
    if kind == "decimal":
        try:
            return Decimal(inner)
        except InvalidOperation:
            raise ValueError("not a decimal") from None
    return {key: _read(item) for key, item in inner.items()}
