"""What the management API tells of queues, typed; whatever is of an odd type is left out, not guessed."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from lazycelery.model.reports import Limit

T = TypeVar("T")
COLUMNS = (
    "name,type,auto_delete,exclusive,arguments,policy,effective_policy_definition,messages_ready,"
    "messages_unacknowledged,message_bytes_ready,consumers,memory,head_message_timestamp,backing_queue_status.priority_lengths,"
    "message_stats.publish_details.rate,message_stats.ack_details.rate,"
    "message_stats.deliver_no_ack_details.rate,message_stats.get_no_ack_details.rate"
)
SAMPLES = "messages_ready_details.samples"


class Unreadable(Exception):
    """The answer is no JSON, or not of the kind that was asked for."""


class _Priorities(msgspec.Struct):
    priority_lengths: dict[str, int] = {}


class _Rate(msgspec.Struct):
    rate: float = 0.0


class _Traffic(msgspec.Struct):
    publish_details: _Rate = msgspec.field(default_factory=_Rate)
    ack_details: _Rate = msgspec.field(default_factory=_Rate)
    deliver_no_ack_details: _Rate = msgspec.field(default_factory=_Rate)
    get_no_ack_details: _Rate = msgspec.field(default_factory=_Rate)


class _Sample(msgspec.Struct):
    sample: int
    timestamp: int
    """Milliseconds."""


class _Samples(msgspec.Struct):
    samples: list[_Sample] = []


class QueueFacts(msgspec.Struct, kw_only=True):
    """What the API tells of a queue; its statistics are missing for the first seconds of its life."""

    name: str
    type: str | None = None
    auto_delete: bool = False
    exclusive: bool = False
    arguments: dict[str, Any] = {}
    policy: str | None = None
    policy_definition: Any = msgspec.field(default=None, name="effective_policy_definition")
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    message_bytes_ready: int | None = None
    consumers: int | None = None
    memory: int | None = None
    head_message_timestamp: float | None = None
    backing_queue_status: _Priorities | None = None
    message_stats: _Traffic | None = None
    messages_ready_details: _Samples | None = None

    @property
    def priorities(self) -> dict[str, int]:
        """Ready messages by priority, where the queue has priorities and RabbitMQ tells."""
        lengths = self.backing_queue_status.priority_lengths if self.backing_queue_status else {}
        return {name: count for name, count in lengths.items() if count}

    @property
    def limit(self) -> Limit | None:
        """What it holds before messages are lost or doubled; `None` also where it only rejects new ones."""
        overflow = self.setting("overflow")
        messages, size = self._least("max-length"), self._least("max-length-bytes")
        if overflow == "reject-publish" or (messages is None and size is None):
            return None
        limit = Limit(messages=messages, bytes=size)
        if overflow == "reject-publish-dlx" and self.type == "classic":  # Elsewhere that drops: measured.
            limit.beyond = "rejects others beyond that, and gives each to its dead letters as well"
        return limit

    @property
    def rejects(self) -> bool:
        """Whether it refuses new messages when it is full."""
        bounded = self._least("max-length") is not None or self._least("max-length-bytes") is not None
        return bounded and str(self.setting("overflow")).startswith("reject-publish")

    @property
    def delivery_limit(self) -> int | None:
        """How often a message of a quorum queue may be delivered, where an argument or policy says so; -1 is
        as often as it likes."""
        least = self._least("delivery-limit")
        return least if least is not None or not self._said("delivery-limit") else -1

    def _least(self, name: str) -> int | None:
        """The least of the numbers that argument and policy give; negative ones are none."""
        return min((each for each in self._said(name) if each >= 0), default=None)

    def _said(self, name: str) -> list[int]:
        said = [self.arguments.get(f"x-{name}"), self.by_policy(name)]
        return [each for each in said if isinstance(each, int)]

    @property
    def rates(self) -> tuple[float | None, float | None]:
        """Messages a second that come and go: those that are done with, as deliveries tell how many are
        prefetched. No statistics of messages: since the node began there were none, unless there are no
        statistics at all."""
        if self.message_stats is None:
            return (None, None) if self.messages_ready is None else (0.0, 0.0)
        told = self.message_stats
        gone = told.ack_details.rate + told.deliver_no_ack_details.rate + told.get_no_ack_details.rate
        return told.publish_details.rate, gone

    @property
    def depths(self) -> list[int]:
        """Depths of the last minutes, oldest first, where they were asked for."""
        samples = self.messages_ready_details.samples if self.messages_ready_details else []
        return [each.sample for each in sorted(samples, key=lambda each: each.timestamp)]

    @property
    def highest_priority(self) -> int | None:
        """Of a queue with priorities: the one that runs first."""
        most = self.arguments.get("x-max-priority", self.by_policy("max-priority"))
        return most if isinstance(most, int) and most > 0 else None

    def setting(self, name: str) -> str | None:
        """A text given as argument `x-name`, which comes before a policy's."""
        for value in (self.arguments.get(f"x-{name}"), self.by_policy(name)):
            if isinstance(value, str):
                return value
        return None

    def by_policy(self, name: str) -> Any:
        """What the policies say."""
        return self.policy_definition.get(name) if isinstance(self.policy_definition, dict) else None


class Vhost(msgspec.Struct):
    """A virtual host."""

    name: str


class Page(msgspec.Struct):
    """One answer to the question for queues."""

    items: list[QueueFacts] = []
    page_count: int = 1


def decoded(data: bytes, kind: type[T]) -> T:
    """An answer of the API. Raises `Unreadable`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError:
        pass
    try:
        # Statistics of a queue that just came or goes may be of odd types: one by one, then.
        return msgspec.convert(_tamed(json.loads(data)), kind)
    except (ValueError, RecursionError):
        raise Unreadable from None


def _tamed(value: Any) -> Any:
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(items, list):
        return value
    return {**value, "items": [item for item in map(_fitting, items) if item is not None]}


def _fitting(item: Any) -> Any:
    if not isinstance(item, dict):
        return None
    plain = {
        key: value for key, value in item.items() if key not in ("message_stats", "backing_queue_status")
    }
    least = {key: item.get(key) for key in ("name", "type", "arguments", "exclusive", "auto_delete")}
    for kept in (item, plain, least, {key: item.get(key) for key in ("name", "type")}):
        try:
            msgspec.convert(kept, QueueFacts)
            return kept
        except msgspec.MsgspecError:
            continue
    return None
