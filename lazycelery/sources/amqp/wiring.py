"""How queues hang together: where dead letters go, whose consumers are whose, whom delayed tasks are for.

Asked of the management API now and then: it changes rarely, and costs a request for each kind.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping

import msgspec

from lazycelery.sources.amqp import deadletters
from lazycelery.sources.amqp.deadletters import Binding, Exchange
from lazycelery.sources.amqp.delayed import is_delayed
from lazycelery.sources.amqp.facts import QueueFacts
from lazycelery.sources.amqp.management import Management

SLICE = 20
"""Queues followed before something else may run."""
BINDINGS_EVERY, CONSUMERS_EVERY = 60.0, 15.0
ALARMED_EVERY = 2.5
"""Seconds between readings of the bindings while dead letters are thought to lead nowhere."""


class _Bound(Binding):
    source: str = ""


class _Kind(msgspec.Struct):
    name: str = ""
    type: str = ""
    arguments: object = None
    policy: str | None = None

    @property
    def otherwise(self) -> bool:
        """Whether it may have an alternate exchange."""
        return bool(self.policy) or (
            isinstance(self.arguments, dict) and "alternate-exchange" in self.arguments
        )


class _Queue(msgspec.Struct):
    name: str = ""


class _ChannelDetails(msgspec.Struct):
    connection_name: str = ""


class _Consumer(msgspec.Struct):
    queue: _Queue
    # RabbitMQ writes an empty list where it does not know.
    channel_details: _ChannelDetails | list[object] = []


class Wiring:
    """What was told last; empty where nothing is known."""

    def __init__(self, management: Management, pidbox: str) -> None:
        self._management, self._tail = management, f".{pidbox}"
        self._exchanges: dict[str, Exchange] = {}
        self._keys: dict[str, list[str]] = {}
        self._due = {"bindings": 0.0, "consumers": 0.0}
        self._asked_for: set[str] = set()
        self._joined: object = None
        """From what the dead letters were followed last."""
        self.dead_letter_to: dict[str, list[str]] = {}
        self.dead_letter_from: dict[str, list[str]] = {}
        self.dead_letter_lost: dict[str, str] = {}
        """Why they lead nowhere, by queue."""
        self.workers: dict[str, list[str]] = {}
        """Workers by queue, as their connections tell."""

    async def refresh(self, facts: Mapping[str, QueueFacts]) -> None:
        """Ask for what is too old, and join it with the queues that there are now."""
        wanted = {each for each in map(deadletters.exchange_of, facts.values()) if each}  # Delayed ones too.
        if wanted - self._asked_for:
            self._due["bindings"] = 0.0  # Somebody new dead-letters: that is shown at once.
        if wanted and self._is_due("bindings", ALARMED_EVERY if self.dead_letter_lost else BINDINGS_EVERY):
            self._asked_for = wanted
            await self._read_bindings()
        if self._is_due("consumers", CONSUMERS_EVERY):
            await self._read_consumers()
        await self._join(facts)
        if self.dead_letter_lost:  # When that is mended, it should be seen soon.
            self._due["bindings"] = min(self._due["bindings"], time.monotonic() + ALARMED_EVERY)

    @property
    def told(self) -> bool:
        """Whether it is known where dead letters go, if there are any."""
        return bool(self._exchanges) or not self._asked_for

    def behind(self, exchange: str) -> set[str]:
        """Every queue that an exchange leads to, whatever the routing key."""
        return self._behind(exchange, set())

    def _is_due(self, what: str, every: float) -> bool:
        if time.monotonic() < self._due[what]:
            return False
        self._due[what] = time.monotonic() + every
        return True

    async def _read_bindings(self) -> None:
        columns = "source,destination,destination_type,routing_key"
        bound = await self._management.extra(f"bindings?columns={columns}", list[_Bound])
        kinds = await self._management.extra("exchanges?columns=name,type,arguments,policy", list[_Kind])
        if bound is None or kinds is None:
            return
        self._exchanges = {each.name: Exchange(each.type, [], each.otherwise) for each in kinds}
        keys = defaultdict[str, list[str]](list)
        for each in bound:
            if each.source and each.source in self._exchanges:  # The default one binds every queue.
                self._exchanges[each.source].bindings.append(each)
                if each.destination_type == "queue":
                    keys[each.destination].append(each.routing_key)
        self._keys = dict(keys)

    async def _read_consumers(self) -> None:
        columns = "queue.name,channel_details.connection_name"
        consumers = await self._management.extra(f"consumers?columns={columns}", list[_Consumer])
        if consumers is None:
            return
        connections = defaultdict[str, set[str]](set)
        for each in consumers:
            if isinstance(each.channel_details, _ChannelDetails):
                connections[each.channel_details.connection_name].add(each.queue.name)
        found = defaultdict[str, set[str]](set)
        for queues in connections.values():
            workers = [name.removesuffix(self._tail) for name in queues if name.endswith(self._tail)]
            for queue in queues if len(workers) == 1 else ():
                found[queue].add(workers[0])
        self.workers = {queue: sorted(workers) for queue, workers in found.items()}

    async def _join(self, facts: Mapping[str, QueueFacts]) -> None:
        """Follow each queue's dead letters, unless all is as it was."""
        # Celery's own stairs of delayed delivery are left out: what goes down there is no dead letter.
        wiring = {
            name: (exchange, deadletters.key_of(each))
            for name, each in facts.items()
            if (exchange := deadletters.exchange_of(each)) is not None and not is_delayed(name)
        }
        state = (wiring, facts.keys(), self._exchanges)
        if state == self._joined:
            return
        to, sources = dict[str, list[str]](), defaultdict[str, list[str]](list)
        lost = dict[str, str]()
        for number, name in enumerate(wiring, 1):
            keys = self._keys.get(name, ())
            found = deadletters.targets(facts[name], facts.keys(), self._exchanges, keys)
            why = deadletters.lost(facts[name], facts.keys(), self._exchanges, keys)
            if why is not None and self._exchanges:
                lost[name] = why
            if found:
                to[name] = found
            for target in found:
                if target != name:
                    sources[target].append(name)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self.dead_letter_to, self.dead_letter_lost = to, lost
        self.dead_letter_from = {target: sorted(names) for target, names in sources.items()}
        self._joined = state

    def _behind(self, name: str, seen: set[str]) -> set[str]:
        seen.add(name)
        found = set[str]()
        for each in self._exchanges[name].bindings if name in self._exchanges else ():
            if each.destination_type == "queue":
                found.add(each.destination)
            elif each.destination not in seen:
                found |= self._behind(each.destination, seen)
        return found
