"""A name that one machine holds alone: a key that expires, so that nothing stays behind."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from lazycelery.errors import Refused
from lazycelery.sources.redis.scanning import as_bytes

# Taken when it is free, renewed when it is ours: in one step, so that nobody renews what another one took.
HOLD = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
DROP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


async def lease(redis: Redis, key: str, holder: str, seconds: float) -> str:
    """Who holds the key now. Raises `Refused` where this user may not, else what Redis raises."""
    try:
        held = await redis.eval(HOLD, 1, key, holder, str(int(seconds * 1000)))
    except (OutOfMemoryError, ReadOnlyError):
        raise  # No matter of permissions.
    except ResponseError as error:
        raise Refused(
            f"Redis refuses the key {key}: {str(error)[:200]}.",
            "Allow +eval, +get, +set and +del on it to this user of Redis.",
            nothing_done=True,
        ) from None
    return as_bytes(held).decode("utf-8", "replace")


async def give_up(redis: Redis, key: str, holder: str) -> None:
    """Remove the key if that is whose it is."""
    await redis.eval(DROP, 1, key, holder)
