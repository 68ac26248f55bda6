"""Messages in Kombu's JSON envelope as actions need them: to read, to copy opaquely, to make anew."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Mapping
from typing import Any

from lazycelery.errors import Refused
from lazycelery.model.message import Message
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.wire import EMBEDDED, read_message, write_envelope

REPR_LIMIT = 1024
"""Characters of argsrepr and kwargsrepr, as Celery cuts them."""


class EnvelopeCodec:
    """The `Codec` of messages in Kombu's JSON envelope."""

    def describe(self, raw: bytes, position: int = 0) -> Message:
        """A readable view of a raw message. Never raises."""
        return read_message(raw, position)

    def identity(self, raw: bytes) -> bytes:
        """A digest of the whole, for brokers that never change a message on its way."""
        return hashlib.blake2b(raw, digest_size=16).digest()

    def copy(self, raw: bytes, *, queue: str, new_id: str, headers: Mapping[str, Any]) -> bytes:
        """An opaque copy under a new id. Raises `Refused` where the id is not in the headers."""
        document = _document(raw)
        document["headers"] |= {"id": new_id, "retries": 0, "eta": None, "expires": None, **headers}
        document["headers"].pop("redelivered", None)
        properties = document["properties"]
        properties.pop("expiration", None)
        properties |= {
            "correlation_id": new_id,
            "delivery_tag": str(uuid.uuid4()),
            # Straight to the queue, whatever exchange it came through.
            "delivery_info": {"exchange": "", "routing_key": queue},
        }
        return json.dumps(document).encode()

    def build(
        self,
        *,
        task: str,
        args: Any,
        kwargs: Any,
        queue: str,
        new_id: str,
        headers: Mapping[str, Any],
        priority: int = 0,
        embed: Mapping[str, Any] | None = None,
    ) -> bytes:
        """A fresh JSON message (protocol 2). Kombu's typed values in the arguments go out as they are."""
        args, kwargs = list(args or ()), dict(kwargs or {})
        return write_envelope(
            [args, kwargs, {**dict.fromkeys(EMBEDDED), **(embed or {})}],
            exchange="",
            routing_key=queue,
            headers={**_headers(task, new_id, args, kwargs), **headers},
            properties={"correlation_id": new_id, "priority": priority},
        )


def _document(raw: bytes) -> dict[str, Any]:
    """The envelope with everything in it, to the last digit and escape."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(f"This message of {size_text(len(raw))} is no Celery message.") from None
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        raise Refused("This message has no Kombu envelope.")
    headers = document.get("headers")
    if not isinstance(headers, dict) or not headers.get("id") or not headers.get("task"):
        raise Refused(
            "This message has its id inside its body (protocol 1).",
            "It cannot be copied without decoding; send it again from the code.",
        )
    return document


def _headers(task: str, new_id: str, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": task,
        "id": new_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": new_id,
        "parent_id": None,
        "argsrepr": repr(tuple(args))[:REPR_LIMIT],
        "kwargsrepr": repr(kwargs)[:REPR_LIMIT],
        "origin": f"lazycelery{os.getpid()}@{socket.gethostname()}",
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
