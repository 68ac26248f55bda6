"""Kombu's global_keyprefix, found when nobody tells it."""

from __future__ import annotations

from contextlib import suppress

from redis import exceptions as redis_errors

from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.scanning import Scan
from lazycelery.sources.wire import write_envelope

CALLS = 200
"""SCANs of about a thousand keys."""
NOBODY = "nobody@lazycelery"


async def find_prefix(server: Server, layout: Layout) -> list[str]:
    """Set `layout.prefix` to the prefix under which workers live; returns what a person should know."""
    if await _listening(server, layout, ""):
        return []
    scan = Scan(f"*_kombu.binding.{layout.pidbox}")
    try:
        found = await scan.more(server.redis, CALLS)
    except redis_errors.NoPermissionError:
        return ["This user may not SCAN: a key prefix, if there is one, must be given as `prefix`."]
    prefixes = {key.decode("utf-8", "replace").rpartition("_kombu.binding.")[0] for key in found}
    if not prefixes:
        cut = not scan.complete
        return [f"No key prefix found among the first {CALLS},000 keys: give it as `prefix`."] if cut else []
    listening = {prefix: await _listening(server, layout, prefix) for prefix in sorted(prefixes)}
    layout.prefix = max(listening, key=lambda prefix: (listening[prefix], -len(prefix)))
    return _notes(layout.prefix, listening)


def _notes(chosen: str, listening: dict[str, int]) -> list[str]:
    notes = [f"Keys have the prefix {chosen!r} (found by SCAN)."] if chosen else []
    others = ", ".join(repr(prefix) for prefix in listening if prefix != chosen)
    if others:
        notes.append(f"Other applications share this database: {others}. Give `prefix` to see one of them.")
    return notes


async def _listening(server: Server, layout: Layout, prefix: str) -> int:
    """Live mailboxes under a prefix: how many receive a command addressed to nobody."""
    body: dict[str, object] = {
        "method": "ping",
        "arguments": {},
        "destination": [NOBODY],
        "pattern": None,
        "matcher": None,
    }
    message = write_envelope(
        body, exchange=layout.pidbox, routing_key="", headers={"clock": 1, "expires": 0}, properties={}
    )
    channel = prefix + layout.control_channel.removeprefix(layout.prefix)
    with suppress(redis_errors.NoPermissionError):
        return int(await server.redis.publish(channel, message))
    return 0
