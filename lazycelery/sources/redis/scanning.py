"""Looking through keys and sets with SCAN, in bounded portions: never KEYS, never SMEMBERS of a giant."""

from __future__ import annotations

from redis.asyncio import Redis

COUNT = 1000
MAX_MEMBERS = 20_000


class Scan:
    """A walk through the keys that match a pattern, a portion at a time, again from the start at the end."""

    def __init__(self, pattern: str, count: int = COUNT) -> None:
        self.pattern = pattern
        self.count = count
        self.complete = False
        """Whether the walk has been through all keys at least once."""
        self.calls = 0
        """SCANs of the last portion."""
        self._cursor = 0

    async def more(self, redis: Redis, calls: int) -> set[bytes]:
        """Keys found in at most `calls` SCANs, of about a thousand keys each."""
        found: set[bytes] = set()
        for self.calls in range(1, calls + 1):
            self._cursor, keys = await redis.scan(self._cursor, match=self.pattern, count=self.count)
            found.update(map(as_bytes, keys))
            if self._cursor == 0:
                self.complete = True
                break
        return found


async def members(redis: Redis, key: str) -> set[bytes]:
    """Members of a set, at most about 20,000."""
    found: set[bytes] = set()
    cursor = 0
    while True:
        cursor, some = await redis.sscan(key, cursor, count=COUNT)
        found.update(map(as_bytes, some))
        if cursor == 0 or len(found) >= MAX_MEMBERS:
            return found


def as_bytes(value: bytes | str) -> bytes:
    """What a client in bytes mode returns, whatever its type hints say."""
    return value if isinstance(value, bytes) else value.encode()
