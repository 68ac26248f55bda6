"""Which queue gets the dead letters of which: from arguments, policies and the bindings of exchanges."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from lazycelery.sources.amqp.facts import QueueFacts

DEPTH = 5
"""Exchanges bound to exchanges that are followed."""


class Binding(msgspec.Struct):
    """From an exchange to a queue or to another exchange."""

    destination: str = ""
    destination_type: str = ""
    routing_key: str = ""


class Exchange(msgspec.Struct):
    """Its type, and what is bound to it."""

    type: str = "direct"
    bindings: list[Binding] = []
    otherwise: bool = False
    """What no binding takes may go elsewhere: to an alternate exchange, as arguments say, or a policy may."""


def exchange_of(facts: QueueFacts) -> str | None:
    """The dead-letter exchange of a queue; `""` is the default one, `None` is none."""
    return facts.setting("dead-letter-exchange")


def key_of(facts: QueueFacts) -> str | None:
    """The routing key that dead letters get; `None`: each keeps its own."""
    return facts.setting("dead-letter-routing-key")


def targets(
    facts: QueueFacts, queues: Collection[str], exchanges: Mapping[str, Exchange], keys: Collection[str]
) -> list[str]:
    """The queues to which dead letters of a queue go, sorted; empty when that is nowhere, or unknown.

    `keys`: routing keys by which messages came into the queue, for those that keep them."""
    exchange, key = exchange_of(facts), key_of(facts)
    if exchange is None:
        return []
    used = [key] if key is not None else [facts.name, *keys]
    if exchange == "":
        # Without a key of its own the letter would come back into its queue: that is no other queue.
        return sorted({each for each in used if each in queues and each != facts.name})
    return sorted(each for each in _reached(exchange, used, exchanges, DEPTH) if each in queues)


def lost(
    facts: QueueFacts, queues: Collection[str], exchanges: Mapping[str, Exchange], keys: Collection[str]
) -> str | None:
    """Why dead letters of a queue certainly lead nowhere, as the end of a sentence, or `None`.

    `exchanges` are all that there are. Where a letter keeps a key that can be any, only an exchange to which
    nothing at all is bound is certain."""
    name, key = exchange_of(facts), key_of(facts)
    if name is None:
        return None
    if name == "":
        return f"there is no queue {key}" if key is not None and key not in queues else None
    exchange = exchanges.get(name)
    if exchange is None:
        return f"there is no exchange {name}"
    if exchange.otherwise:
        return None
    if not exchange.bindings:
        return f"nothing is bound to the exchange {name}"
    known = [key] if key is not None else [facts.name, *keys]
    literal = key is not None or not any(mark in each for each in keys for mark in "*#")
    if not literal or _reached(name, known, exchanges, DEPTH):
        return None
    if any(each.destination_type == "exchange" for each in exchange.bindings):
        return None  # Another exchange may have its own ways.
    said = " or ".join(known)
    return f"nothing is bound to the exchange {name} for the routing key {said}"


def _reached(name: str, keys: Collection[str], exchanges: Mapping[str, Exchange], depth: int) -> set[str]:
    exchange, found = exchanges.get(name), set[str]()
    if exchange is None or depth == 0:
        return found
    for binding in exchange.bindings:
        if not any(_matches(exchange.type, binding.routing_key, key) for key in keys):
            continue
        if binding.destination_type == "exchange":
            found |= _reached(binding.destination, keys, exchanges, depth - 1)
        else:
            found.add(binding.destination)
    return found


def _matches(kind: str, pattern: str, key: str) -> bool:
    if kind == "direct":
        return pattern == key
    if kind == "topic":
        return topic_matches(pattern.split("."), key.split("."))
    return True  # A fanout takes all; what the others choose by is not known.


def topic_matches(pattern: list[str], words: list[str]) -> bool:
    """Whether a topic binding takes a routing key, both cut at their dots."""
    reachable = {0}
    """Places in `words` that the pattern so far can end at."""
    for part in pattern:
        if part == "#":
            reachable = set(range(min(reachable), len(words) + 1))
        else:
            reachable = {at + 1 for at in reachable if at < len(words) and part in ("*", words[at])}
        if not reachable:
            return False
    return len(words) in reachable
