"""Whether workers will know a revoke after a restart, as far as anything tells."""

from __future__ import annotations

from lazycelery.actions.context import Context
from lazycelery.actions.wording import listed

IN_MEMORY = "Workers remember it in memory, for three hours."
SETTING = "worker_state_db"
"""In the conf that workers tell. The option --statedb of their command line is in no reply."""


def remembered(context: Context) -> str:
    """Who keeps revokes in a file, by the conf it told, and of whom that cannot be known."""
    kept: list[str] = []
    unknown: list[str] = []
    for worker in context.online():
        detail = context.store.worker(worker.name, context.clock())
        (kept if detail is not None and detail.conf.get(SETTING) else unknown).append(worker.name)
    if not kept:
        return (
            f"{IN_MEMORY} Whether one runs with --statedb no command tells: a restart may forget it, unless "
            "another worker that knows it still runs."
        )
    whose = listed(kept, 3)
    keeps = "keeps" if len(kept) == 1 else "keep"
    told = f"{whose} {keeps} it in a file too ({SETTING}): known after a clean stop, not after a kill."
    rest = f" Of {listed(unknown, 3)} no command tells that (--statedb)." if unknown else ""
    return f"{IN_MEMORY} {told}{rest}"
