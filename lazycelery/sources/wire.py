"""Kombu envelopes and Celery messages (protocols 1 and 2). Pure functions that meet hostile bytes.

Redis and the filesystem transport carry this JSON: {"body", "content-encoding", "content-type",
"headers", "properties"}; `properties.body_encoding` says whether the body is base64.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from typing import Any

import msgspec

from lazycelery.model.message import Message
from lazycelery.sources.bodies import MAX_BODY, Body, decode_body
from lazycelery.sources.deaths import death_of
from lazycelery.sources.jsontext import (
    Unreadable,
    int_or_none,
    load,
    parse,
    size_text,
    text_or_none,
)

MAX_HEADERS = 256 * 1024
EMBEDDED = ("callbacks", "errbacks", "chain", "chord")


class Envelope(msgspec.Struct, kw_only=True):
    """An envelope without its body decoded. `body` is the wire's text, or `None` when there is none."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    content_type: str | None
    content_encoding: str | None
    body: str | None
    size: int

    @property
    def protocol(self) -> int | None:
        """2 when id and task are in the headers; `None`: the body must tell."""
        return 2 if "task" in self.headers and "id" in self.headers else None

    def body_bytes(self) -> bytes:
        """The body without its base64. Raises `Unreadable`."""
        if self.body is None:
            raise Unreadable("there is none")
        if self.properties.get("body_encoding") != "base64":
            return self.body.encode("utf-8", "replace")
        try:
            return base64.b64decode(self.body)
        except (binascii.Error, ValueError):
            raise Unreadable("it is not base64") from None

    def too_large(self) -> bool:
        """Whether the body is beyond what we decode, told without decoding."""
        return self.body is not None and len(self.body) > MAX_BODY * 4 // 3 + 4


class _Parts(msgspec.Struct, rename={"content_type": "content-type", "content_encoding": "content-encoding"}):
    body: msgspec.Raw = msgspec.Raw(b"null")
    headers: msgspec.Raw = msgspec.Raw(b"{}")
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    content_type: Any = None
    content_encoding: Any = None


_PARTS = msgspec.json.Decoder(_Parts)


def read_envelope(raw: bytes) -> Envelope:
    """Take an envelope apart. Raises `Unreadable` for anything else."""
    parts = _parts(raw)
    if len(bytes(parts.headers)) > MAX_HEADERS or len(bytes(parts.properties)) > MAX_HEADERS:
        raise Unreadable("its headers are too large")
    body = parse(bytes(parts.body))
    return Envelope(
        headers=_table(load(bytes(parts.headers))),
        properties=_table(load(bytes(parts.properties))),
        content_type=text_or_none(parts.content_type),
        content_encoding=text_or_none(parts.content_encoding),
        body=body if isinstance(body, str) else None if body is None else json.dumps(body),
        size=len(raw),
    )


def _parts(raw: bytes) -> _Parts:
    try:
        return _PARTS.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    document = parse(raw)
    if not isinstance(document, dict):
        raise Unreadable("it is not a Kombu envelope")
    try:
        again = {key: msgspec.Raw(json.dumps(document[key]).encode()) for key in _RAW if key in document}
    except (RecursionError, ValueError):
        raise Unreadable("it is nested too deeply") from None
    return _Parts(
        **again,
        content_type=document.get("content-type"),
        content_encoding=document.get("content-encoding"),
    )


_RAW = ("body", "headers", "properties")


def write_envelope(
    body: Any, *, exchange: str, routing_key: str, headers: dict[str, Any], properties: dict[str, Any]
) -> bytes:
    """A JSON message as Kombu's virtual transports write it, under a fresh delivery tag."""
    document = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": exchange, "routing_key": routing_key},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
            **properties,
        },
    }
    return json.dumps(document).encode()


def task_id_of(raw: bytes) -> str | None:
    """The id in the headers of a message (protocol 2), or `None`."""
    try:
        return text_or_none(read_envelope(raw).headers.get("id"))
    except Unreadable:
        return None


def read_message(raw: bytes, position: int = 0) -> Message:
    """A readable view of a raw message. Never raises; what cannot be read is in `problem`."""
    try:
        envelope = read_envelope(raw)
    except Unreadable as why:
        return Message(
            position=position, size=len(raw), decoded=False, problem=f"Not a Celery message: {why}."
        )
    message = _from_headers(envelope, position)
    if envelope.too_large():
        return _too_large(message, envelope)
    return _with_body(message, _body(envelope), envelope)


def _from_headers(envelope: Envelope, position: int) -> Message:
    headers, properties = envelope.headers, envelope.properties
    delivery = _table(properties.get("delivery_info"))
    redelivered = headers.get("redelivered", delivery.get("redelivered"))
    return Message(
        position=position,
        id=text_or_none(headers.get("id")),
        task=text_or_none(headers.get("task")),
        priority=int_or_none(properties.get("priority")),
        eta=text_or_none(headers.get("eta")),
        expires=text_or_none(headers.get("expires")),
        retries=int_or_none(headers.get("retries")),
        root_id=text_or_none(headers.get("root_id")),
        parent_id=text_or_none(headers.get("parent_id")),
        group_id=text_or_none(headers.get("group")),
        headers=headers,
        content_type=envelope.content_type,
        size=envelope.size,
        redelivered=redelivered if isinstance(redelivered, bool) else None,
        death=death_of(headers),
    )


def _body(envelope: Envelope) -> Body:
    try:
        data = envelope.body_bytes()
    except Unreadable as why:
        return Body(None, f"The body was not decoded: {why}.")
    return decode_body(data, envelope.content_type, text_or_none(envelope.headers.get("compression")))


def _too_large(message: Message, envelope: Envelope) -> Message:
    size = size_text(len(envelope.body or "") * 3 // 4)
    message.decoded = False
    message.args = text_or_none(envelope.headers.get("argsrepr"))
    message.kwargs = text_or_none(envelope.headers.get("kwargsrepr"))
    told = "the sender's own short text is shown, cut" if message.args else "it is not shown"
    message.problem = f"The body is {size}: {told}."
    return message


def _with_body(message: Message, body: Body, envelope: Envelope) -> Message:
    if body.problem is not None:
        return _undecoded(message, body, envelope)
    value = body.value
    if envelope.protocol is None and isinstance(value, dict) and "task" in value:
        return _version_1(message, value)
    if isinstance(value, list) and len(value) >= 2:
        message.args, message.kwargs = value[0], value[1]
        message.embed = _embedded(value[2] if len(value) > 2 else None)
        return message
    return _undecoded(message, Body(value, "The body is not that of a Celery task."), envelope)


def _undecoded(message: Message, body: Body, envelope: Envelope) -> Message:
    message.decoded, message.problem = False, body.problem
    message.args = body.value if body.value else text_or_none(envelope.headers.get("argsrepr"))
    message.kwargs = None if body.value else text_or_none(envelope.headers.get("kwargsrepr"))
    return message


def _version_1(message: Message, body: dict[str, Any]) -> Message:
    message.id = text_or_none(body.get("id"))
    message.task = text_or_none(body.get("task"))
    message.args, message.kwargs = body.get("args"), body.get("kwargs")
    message.eta, message.expires = text_or_none(body.get("eta")), text_or_none(body.get("expires"))
    message.retries = int_or_none(body.get("retries"))
    message.group_id = text_or_none(body.get("taskset") or body.get("group"))
    message.embed = _embedded(body)
    return message


def _embedded(value: Any) -> dict[str, Any] | None:
    found = {name: value[name] for name in EMBEDDED if value.get(name)} if isinstance(value, dict) else {}
    return found or None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
