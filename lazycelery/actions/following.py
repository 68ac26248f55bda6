"""What follows a task of a canvas: by its own message, else by that of a step before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lazycelery.model.canvas import options_of
from lazycelery.model.message import Message


def follows(messages: Mapping[str, Message], member: str) -> tuple[Mapping[str, Any] | None, dict[str, Any]]:
    """What follows a member (`None`: not known), and headers that a message made anew needs. A step before
    it holds it in its chain, as a signature."""
    own = messages.get(member)
    if own is not None and own.decoded:
        return own.embed or {}, {}
    for message in messages.values():
        chain = (message.embed or {}).get("chain")
        chain = chain if isinstance(chain, list) else []
        for at, signature in enumerate(chain):
            options = options_of(signature)
            if options.get("task_id") == member:
                return _embedded(options, chain[:at]), _headers(options)
    return None, {}


def _embedded(options: Mapping[str, Any], rest: list[Any]) -> dict[str, Any]:
    return {
        "callbacks": options.get("link"),
        "errbacks": options.get("link_error"),
        "chain": rest or None,
        "chord": options.get("chord"),
    }


def _headers(options: Mapping[str, Any]) -> dict[str, Any]:
    found = {"group": options.get("group_id"), "group_index": options.get("group_index")}
    stamped = options.get("stamped_headers")
    if isinstance(stamped, list):
        found |= {"stamped_headers": stamped, "stamps": {name: options.get(name) for name in stamped}}
    return {name: value for name, value in found.items() if value is not None}
