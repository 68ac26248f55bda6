"""Depths of queues, by priority, for as few commands as possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions as redis_errors

from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout


class Depths:
    """LLEN of all lists, but one EXISTS for those that were empty: at rest, four lists a queue and
    several queues would be far more commands than a monitor may cost."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server, self._layout = server, layout
        self._empty: set[str] = set()

    async def read(self, names: Sequence[str]) -> tuple[dict[str, dict[int, int] | str], int | None]:
        """Depths by queue and step (or why not), and the number of messages in flight."""
        keys = {key for name in names for key in self._layout.keys(name).values()}
        silent = sorted(keys & self._empty)
        pipe = self._server.redis.pipeline(transaction=False)
        pipe.hlen(self._layout.unacked)
        if silent:
            pipe.exists(*silent)
        asked = sorted(keys - self._empty)
        for key in asked:
            pipe.llen(key)
        in_flight, *answers = await pipe.execute(raise_on_error=False)
        for answer in (in_flight, *answers):
            _raise_broken(answer)
        if silent and answers.pop(0) != 0:
            # One of them was filled, or we may not use EXISTS: look at each.
            answers += await self._lengths(silent)
            asked += silent
            silent = []
        depth = dict.fromkeys(silent, 0) | dict(zip(asked, answers, strict=True))
        # A look at one queue leaves what is known of the others.
        self._empty = (self._empty - keys) | {key for key, answer in depth.items() if answer == 0}
        return {name: self._of_queue(name, depth) for name in names}, _number(in_flight)

    async def _lengths(self, keys: Sequence[str]) -> list[Any]:
        pipe = self._server.redis.pipeline(transaction=False)
        for key in keys:
            pipe.llen(key)
        return list(await pipe.execute(raise_on_error=False))

    def _of_queue(self, name: str, depth: dict[str, Any]) -> dict[int, int] | str:
        depths: dict[int, int] = {}
        for step, key in self._layout.keys(name).items():
            if isinstance(depth[key], Exception):
                return why_not(depth[key])
            depths[step] = int(depth[key])
        return depths


def why_not(error: Exception) -> str:
    """Why Redis refused to look at a key, in plain words."""
    text = str(error)
    if "WRONGTYPE" in text or "wrong kind" in text:
        return "A key of this name is not a list: it is no queue."
    if isinstance(error, redis_errors.NoPermissionError) or "NOPERM" in text:
        return "The broker does not let this user look at it."
    return f"The broker refused: {text[:100]}"


def _number(answer: Any) -> int | None:
    return answer if isinstance(answer, int) else None


def _raise_broken(answer: Any) -> None:
    if isinstance(answer, Exception) and not isinstance(answer, redis_errors.ResponseError):
        raise answer
