"""What a Redis tells of itself: memory, policy, evictions, and reply queues left behind."""

from __future__ import annotations

import time
from typing import Any

from redis import exceptions as redis_errors

from lazycelery.model.facts import BrokerFacts
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout

ROUNDED = 1.0
"""Seconds by which an uptime may be told too short."""


async def read_facts(server: Server, layout: Layout) -> BrokerFacts:
    """Five commands. What this user may not ask is `None`, with the reason."""
    facts = BrokerFacts(at=time.time())
    with server.explained():
        try:
            memory: dict[str, Any] = await server.redis.info("memory")
            stats: dict[str, Any] = await server.redis.info("stats")
            used: dict[str, Any] = await server.redis.info("keyspace")
            itself: dict[str, Any] = await server.redis.info("server")
        except redis_errors.ResponseError:
            facts.refused = "This user may not ask Redis for its memory."
        else:
            facts.memory, facts.memory_limit = memory.get("used_memory"), memory.get("maxmemory")
            facts.policy, facts.machine = memory.get("maxmemory_policy"), memory.get("total_system_memory")
            facts.evicted = stats.get("evicted_keys")
            if isinstance(uptime := itself.get("uptime_in_seconds"), int):
                facts.began = facts.at - uptime - ROUNDED
            numbers = [name.removeprefix("db") for name in used if name.startswith("db")]
            facts.elsewhere = [number for number in numbers if number != str(layout.db)]
        try:
            bound = await server.redis.scard(layout.binding(f"reply.{layout.pidbox}"))
        except redis_errors.ResponseError:
            return facts
        facts.reply_queues = int(bound)
    return facts
