"""RabbitMQ messages as actions need them, in the envelope of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lazycelery.sources.amqp.envelope import COUNTED, EXACT, PLAIN
from lazycelery.sources.codec import EnvelopeCodec

HISTORY = ("x-death", "x-first-death-", "x-last-death-")
"""Headers in which RabbitMQ tells where a message has been: a new message has been nowhere."""


class AmqpCodec(EnvelopeCodec):
    """The `Codec` of messages in `envelope`."""

    def identity(self, raw: bytes) -> bytes:
        """A digest of body and properties, without how it was delivered."""
        try:
            document = json.loads(raw)
            properties = {name: document["properties"].get(name) for name in PLAIN}
            headers = {key: value for key, value in document["headers"].items() if key != COUNTED}
            apart = document.get("content-type"), document.get("content-encoding")
            # Not the properties' bytes: a quorum queue that counts a delivery writes the table anew, sorted.
            same = json.dumps([document["body"], apart, properties, headers], sort_keys=True)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return super().identity(raw)
        return super().identity(same.encode())

    def copy(self, raw: bytes, *, queue: str, new_id: str, headers: Mapping[str, Any]) -> bytes:
        """An opaque copy under a new id. Raises `Refused` where the id is not in the headers."""
        document = json.loads(super().copy(raw, queue=queue, new_id=new_id, headers=headers))
        document["properties"].pop(EXACT, None)
        for name in [*document["headers"]]:
            if name.startswith(HISTORY):
                del document["headers"][name]
        return json.dumps(document).encode()
