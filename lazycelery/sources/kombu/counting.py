"""Queues that the transport itself can count, each in its own way; nothing is taken, created or locked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.model.reports import QueueReport
from lazycelery.sources.kombu.internal import Internal
from lazycelery.sources.kombu.lane import Channel, Lane
from lazycelery.sources.kombu.sending import SentQueues

ONE_BY_ONE = 200
"""Queues asked in a round: each is a round trip."""


class Depth(NamedTuple):
    """One queue: what waits, and what is with workers, where told."""

    messages: int | None
    unacked: int | None = None


class Counter(NamedTuple):
    """How one transport tells its queues."""

    names: Callable[[Channel], list[str]]
    depth: Callable[[Channel, str], Depth | None]
    """`None`: there is no such queue."""
    type: str = "queue"


class CountedQueues(SentQueues):
    """Names and depths, beside sending."""

    def __init__(self, lane: Lane, internal: Internal, shown: Sequence[str], counter: Counter) -> None:
        super().__init__(lane, internal, shown)
        self._counter = counter

    async def names(self) -> list[str]:
        """Queues that the transport or the profile names, sorted."""
        told = await self._lane.do(self._counter.names)
        return sorted({*self._shown, *filter(self._internal.holds_tasks, told)})

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Depths, one round trip a queue."""

        def look(channel: Channel) -> list[QueueReport]:
            self._lane.commands += len(names)
            return [self._report(channel, name) for name in dict.fromkeys(names[:ONE_BY_ONE])]

        return await self._lane.do(look, patience=30.0)

    def _report(self, channel: Channel, name: str) -> QueueReport:
        report = QueueReport(name=name, at=time.time(), type=self._counter.type)
        depth = self._counter.depth(channel, name)
        if depth is None:
            report.bound, report.error = False, "There is no queue of this name."
        else:
            report.messages, report.unacked = depth.messages, depth.unacked
        return report

    def _check(self, channel: Channel, queue: str) -> None:
        if self._counter.depth(channel, queue) is None:
            problem: LazyCeleryError = NothingFound(
                f"There is no queue {queue}.", "Start a worker that consumes it.", nothing_done=True
            )
            raise problem


# ---- memory: a process that talks to itself


def _memory_names(channel: Channel) -> list[str]:
    return [str(name) for name in list(channel.queues)]


def _memory_depth(channel: Channel, queue: str) -> Depth | None:
    known = channel.queues.get(queue)
    return None if known is None else Depth(known.qsize())


# ---- SQS


def _sqs_names(channel: Channel) -> list[str]:
    """At most 1,000, as Amazon lists them."""
    prefix = channel.queue_name_prefix
    channel._update_queue_cache(prefix)
    return [name.removeprefix(prefix) for name in channel._queue_cache]


def _sqs_depth(channel: Channel, queue: str) -> Depth | None:
    url = channel._queue_cache.get(channel.canonical_queue_name(queue)) or channel._queue_cache.get(queue)
    if url is None:
        return None
    told = channel.sqs(queue).get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return Depth(int(told["ApproximateNumberOfMessages"]), int(told["ApproximateNumberOfMessagesNotVisible"]))


# ---- MongoDB


def _mongo_names(channel: Channel) -> list[str]:
    return [str(name) for name in channel.routing.distinct("queue")]


def _mongo_depth(channel: Channel, queue: str) -> Depth | None:
    return Depth(channel.messages.count_documents({"queue": queue}))


# ---- ZooKeeper


def _zookeeper_names(channel: Channel) -> list[str]:
    return [str(name) for name in channel.client.get_children(channel._vhost)] if _root(channel) else []


def _root(channel: Channel) -> bool:
    return channel.client.exists(channel._vhost) is not None


def _zookeeper_depth(channel: Channel, queue: str) -> Depth | None:
    found = channel.client.exists(channel._get_path(queue))
    return None if found is None else Depth(int(found.children_count))


# ---- Azure


def _storage_names(channel: Channel) -> list[str]:
    prefix = channel.queue_name_prefix
    return [str(each["name"]).removeprefix(prefix) for each in channel.queue_service.list_queues()]


def _storage_depth(channel: Channel, queue: str) -> Depth | None:
    name = channel.entity_name(channel.queue_name_prefix + queue)
    if name not in {str(each["name"]) for each in channel.queue_service.list_queues()}:
        return None
    told = channel.queue_service.get_queue_client(queue=name).get_queue_properties()
    return Depth(int(told.approximate_message_count))


def _bus_names(channel: Channel) -> list[str]:
    prefix = channel.queue_name_prefix
    return [str(each.name).removeprefix(prefix) for each in channel.queue_mgmt_service.list_queues()]


def _bus_depth(channel: Channel, queue: str) -> Depth | None:
    name = channel.entity_name(channel.queue_name_prefix + queue)
    told = channel.queue_mgmt_service.get_queue_runtime_properties(name)
    return Depth(int(told.active_message_count))


COUNTERS: dict[str, Counter] = {
    "memory": Counter(_memory_names, _memory_depth),
    "sqs": Counter(_sqs_names, _sqs_depth, "sqs"),
    "mongodb": Counter(_mongo_names, _mongo_depth, "collection"),
    "zookeeper": Counter(_zookeeper_names, _zookeeper_depth, "node"),
    "azurestoragequeues": Counter(_storage_names, _storage_depth),
    "azureservicebus": Counter(_bus_names, _bus_depth),
}
