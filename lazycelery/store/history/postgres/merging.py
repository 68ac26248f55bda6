"""What becomes of a row of which the database has one already: a recorder goes on in its own, and of
another one's it takes the place where it knows more."""

from __future__ import annotations

from lazycelery.model.states import State
from lazycelery.store.history.schema import COLUMNS
from lazycelery.store.history.taking import TIMES, TOLD_A_RUN

_OWN = ("day", "n", "run")
_NAMES = [*_OWN, *(name for name in COLUMNS if name != "n")]
STAGED = ", ".join(_NAMES)
"""Columns of what is staged, in its order."""
_TYPES = {
    **dict.fromkeys(TIMES, "float8"),
    **dict.fromkeys(("n", "told", "clock"), "bigint"),
    **dict.fromkeys(("args", "kwargs", "result", "error", "traceback"), "text"),
    **dict.fromkeys(("id", "root_id", "parent_id", "eta", "expires"), "text"),
    "day": "date",
    "extra": "bytea",
}
STAGE_TASKS = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS lazycelery_tasks ("
    + ", ".join(f"{name} {_TYPES.get(name, 'integer')}" for name in _NAMES)
    + ") ON COMMIT DELETE ROWS"
)
STAGE_EVENTS = """CREATE TEMPORARY TABLE IF NOT EXISTS lazycelery_events (
    task uuid, at float8, received float8, clock bigint, type integer, worker integer, fields text)
    ON COMMIT DELETE ROWS"""
ADD_EVENTS = """INSERT INTO {s}.events SELECT * FROM lazycelery_events
    ORDER BY task, at, clock, type, worker ON CONFLICT DO NOTHING"""

_ENDED = ", ".join(str(int(state)) for state in (State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED))
_CODED = ("name", "worker", "queue")
"""0 is unknown."""
_TOLD_ONCE = ("args", "kwargs", "root_id", "parent_id", "eta", "expires", "retries")
"""What belongs to the task; the rest is of its present run."""
_MINE = "excluded.run = t.run"
# An end is believed unless something was seen a second after it; of one worker its clock decides, and
# else what was seen last.
_AHEAD = f"""CASE
    WHEN (excluded.state IN ({_ENDED})) <> (t.state IN ({_ENDED}))
        THEN CASE WHEN excluded.state IN ({_ENDED}) THEN excluded.since >= t.since - 1
            ELSE excluded.since > t.since + 1 END
    WHEN excluded.worker = t.worker AND excluded.clock <> t.clock THEN excluded.clock > t.clock
    ELSE excluded.since > t.since
        AND (excluded.state <> t.state OR coalesce(excluded.retries, 0) > coalesce(t.retries, 0)) END"""
_WINS = f"({_MINE} OR ({_AHEAD}))"
_SAME = """excluded.attempt <= t.attempt
    AND coalesce(excluded.retries, t.retries) IS NOT DISTINCT FROM t.retries"""
"""It tells of the same run."""


def _merged(name: str) -> str:
    new, old = f"excluded.{name}", f"t.{name}"
    if name == "first":
        return f"least({new}, {old})"
    if name == "seen":
        return f"greatest({new}, {old})"
    if name == "cut":
        return f"CASE WHEN {_MINE} THEN {new} ELSE {new} | {old} END"
    if name == "attempt":
        return f"CASE WHEN {_MINE} THEN {new} ELSE greatest({new}, {old}) END"
    if name == "extra":  # With the attempts before.
        more = f"WHEN excluded.attempt > t.attempt OR (excluded.attempt = t.attempt AND {_WINS})"
        return (
            f"CASE WHEN {_MINE} THEN {new} {more} THEN coalesce({new}, {old}) ELSE coalesce({old}, {new}) END"
        )
    if name in _CODED:
        new, old = f"nullif({new}, 0)", f"nullif({old}, 0)"
    if name in _CODED or name in _TOLD_ONCE:
        return f"CASE WHEN {_WINS} THEN coalesce({new}, {old}) ELSE coalesce({old}, {new}) END"
    if name in TOLD_A_RUN:
        new = f"CASE WHEN {_SAME} THEN coalesce({new}, {old}) ELSE {new} END"
    return f"CASE WHEN {_WINS} THEN {new} ELSE {old} END"


_ADDS = " OR ".join(
    [
        *(f"(t.{name} IS NULL AND excluded.{name} IS NOT NULL)" for name in _TOLD_ONCE),
        *(f"(coalesce(t.{name}, 0) = 0 AND excluded.{name} <> 0)" for name in _CODED),
    ]
)
_VALUES = [f"nullif({name}, 'NaN')" if name in TIMES else name for name in _NAMES]
PUT_TASKS = (
    f"INSERT INTO {{s}}.tasks AS t ({STAGED}) SELECT {', '.join(_VALUES)} FROM lazycelery_tasks "
    "ORDER BY id ON CONFLICT (day, id) DO UPDATE SET "
    + ", ".join(
        [f"run = CASE WHEN {_WINS} THEN excluded.run ELSE t.run END"]
        + [f"{name} = {_merged(name)}" for name in _NAMES if name not in (*_OWN, "id")]
    )
    + f" WHERE {_WINS} OR {_ADDS}"
)
