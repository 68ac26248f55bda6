"""From what an order says to task ids."""

from __future__ import annotations

from lazycelery.actions.context import Context
from lazycelery.actions.wording import listed, short
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.action import Order
from lazycelery.model.faces import by_face

MOST = 1000
"""Tasks of one plan."""
SHORTEST_PREFIX = 4
OTHERS = "until:TIME in the filter reaches the older ones."
"""Not "run it again": a failure that was sent again still matches state:failure, and would run twice."""


def task_ids(context: Context, order: Order) -> tuple[list[str], list[str]]:
    """Ids the order means, without doubles, and warnings.

    Raises `UsageError` for no target, too many, or a prefix that fits several; `NothingFound` when
    nothing matches the filter.
    """
    if order.filter is not None:
        return _matching(context, order.filter, max(1, min(order.limit, MOST)))
    if not order.targets:
        raise UsageError(f"Nothing to {order.action}.", "Give task ids or a filter.")
    if len(order.targets) > MOST:
        raise UsageError(
            f"{len(order.targets):,} tasks at once are too many.", f"One plan takes at most {MOST:,}."
        )
    return list(dict.fromkeys(_full(context, target) for target in order.targets)), []


def _matching(context: Context, filter: str, limit: int) -> tuple[list[str], list[str]]:
    found = context.store.select(filter, limit + 1, context.clock())
    if not found:
        raise NothingFound(
            f"No known task matches {filter!r}.",
            by_face("Try the filter with `lazycelery tasks`.", "Try the filter with :tasks."),
        )
    if len(found) > limit:
        most = f" One plan takes at most {MOST:,}." if limit == MOST else ""
        return found[:limit], [f"More match: only the newest {limit:,} are taken.{most} {OTHERS}"]
    return found, []


def _full(context: Context, target: str) -> str:
    """An id as it is when known or when nothing begins so: sources may know what the store does not."""
    if context.task(target) is not None or len(target) < SHORTEST_PREFIX:
        return target
    found = context.store.resolve(target)
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} tasks or more begin with {target}.", f"For example {listed(map(short, found), 3)}."
        )
    return found[0] if found else target
