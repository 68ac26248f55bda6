"""Unacknowledged messages back into their queues, as Kombu does it when a visibility timeout has passed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from lazycelery.errors import Refused
from lazycelery.model.reports import InFlight
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.wire import read_message

# All of it or nothing: the entry goes only when its message is in the queue, and only once. What this user
# may not do ends it before anything is done: a message that is back and still noted would run twice.
GIVE_BACK = """
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry then return 0 end
local kind = redis.call('TYPE', KEYS[3]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE the queue is no list') end
redis.call('HDEL', KEYS[1], '')
redis.call('ZREM', KEYS[2], '')
redis.call('RPUSH', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
"""


async def give_back(server: Server, layout: Layout, entries: Sequence[InFlight]) -> list[bool]:
    """Put entries, oldest first, in front of their queues, each in one atomic step, so that the oldest runs
    next; tells of each whether it was still there. What is no message of Kombu stays."""
    done: list[bool] = []
    for entry in reversed(entries):
        if not readable(entry):
            done.append(False)
            continue
        priority = read_message(entry.raw).priority
        keys = [layout.unacked, layout.unacked_index, layout.key(entry.queue, priority)]
        try:
            answer = await server.redis.eval(GIVE_BACK, len(keys), *keys, entry.tag, marked(entry.raw))
        except ResponseError as error:
            raise _refused(error, entry.queue, nothing_done=not any(done)) from None
        done.append(bool(answer))
    return done[::-1]


def marked(raw: bytes) -> bytes:
    """The message as Kombu puts it back: marked as delivered before, all else as it was."""
    document: Any = json.loads(raw)
    document["headers"]["redelivered"] = True
    document["properties"]["delivery_info"]["redelivered"] = True
    return json.dumps(document).encode()


def readable(entry: InFlight) -> bool:
    """Whether an entry can be put back: it was read whole, and it is a message of Kombu."""
    try:
        marked(entry.raw)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return bool(entry.queue)


def _refused(error: ResponseError, queue: str, nothing_done: bool) -> Refused:
    if "WRONGTYPE" in str(error):
        return Refused(f"The key of {queue} is no list.", nothing_done=nothing_done)
    return Refused(
        f"Redis refuses to put it back: {str(error)[:200]}",
        "Allow +eval (and hget, hdel, zrem, rpush, type) to this user of Redis.",
        nothing_done=nothing_done,
    )
