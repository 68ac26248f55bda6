"""From where on something counts as wrong. Seconds, shares and numbers; each with its reason."""

from __future__ import annotations

import msgspec

OVER_TIME = frozenset({"growth", "starved", "deaf", "unused"})
"""Limits that look back on what queues and workers did."""
REMEMBERED = 570.0
"""Seconds that they can look back, at most."""


class Limits(msgspec.Struct, kw_only=True, frozen=True):
    """Defaults that keep a healthy fleet silent."""

    saturated: float = 60.0
    """All slots run tasks for so long while work waits: shorter rushes pass by themselves."""
    overdue_times: float = 3.0
    """Where all slots run tasks that take so many times as long as 95 % of their kind, nobody waits for the
    two limits of time (`saturated`, `hoarded`)."""
    overdue_least: float = 5.0
    """And that run for at least so long."""
    stalled: float = 3600.0
    """A task whose usual time is unknown runs for so long."""
    stalled_least: float = 60.0
    """A task is never called stalled before, however short its kind is."""
    stalled_times: float = 10.0
    """A task runs so many times longer than 95 % of its kind."""
    stalled_runs: int = 20
    """Ended runs without which nothing is usual."""
    growth: float = 90.0
    """A backlog grows for so long: waves of work come and go within a minute."""
    growth_least: int = 20
    """Messages by which it must have grown."""
    drain: float = 1800.0
    """A backlog is told within seconds when what is sent now waits for so long, at the rate at which it is
    worked off."""
    starved: float = 300.0
    """Messages of a low priority do not move for so long while others are taken."""
    deaf: float = 15.0
    """A worker with free slots takes nothing for so long from a queue that is not empty."""
    silent: float = 4.0
    """A worker with a heartbeat does not answer for so long."""
    hoarded: float = 10.0
    """Tasks lie reserved for so long behind running ones while another worker idles."""
    unused: float = 540.0
    """A consumed queue sees no message for so long while others do."""
    failures: int = 8
    """Failures of one name within the window of the task facts."""
    failure_share: float = 0.3
    """And share of its runs that must have failed."""
    failure_times: float = 3.0
    """Its share of failures is so many times the usual one."""
    failure_known: int = 20
    """Runs of before without which no share of failures is usual: then half must fail."""
    failure_critical: float = 0.9
    """Share of failures beyond which it is critical, however usual that is: nearly nothing of it is done."""
    usual_runs: int = 100
    """Runs of before without which no time of a task or queue is usual."""
    usual_seen: float = 1800.0
    """Seconds of watching (the recorded history counts) before anything is usual."""
    slow_runs: int = 20
    """Recent runs, or starts, that are judged together: fewer are chance."""
    slow_times: float = 2.5
    """Half of the runs, or the slowest twentieth, take so many times as long as usual."""
    slow_least: float = 0.2
    """And so many seconds longer: less is hardly felt."""
    wait_times: float = 2.0
    """Half of the starts waited so many times as long as 95 % usually do at this time of the day."""
    wait_least: float = 10.0
    """And at least so many seconds."""
    silent_least: float = 300.0
    """A task that normally runs is never called silent before: deployments take minutes."""
    drop_least: float = 10.0
    """Runs a minute of a queue, below which its throughput is not judged."""
    drop_share: float = 0.7
    """Of its usual throughput that is missing for five minutes."""
    burn_fast: float = 14.4
    """Burn rate of a target over an hour and over five minutes: a week's budget lasts for half a day."""
    burn_slow: float = 6.0
    """Burn rate over six hours and over half an hour: a week's budget lasts for a day."""
    burn_least: int = 5
    """Tasks that must have missed it in the longer window: fewer are chance."""
    retries: int = 20
    """Second tries of one name within two minutes."""
    retry_share: float = 0.5
    """And share of its runs that must be second tries."""
    skew: float = 2.0
    """Seconds between a worker's clock and ours; orders and waits are wrong by as much."""
    lag: float = 5.0
    """Seconds from an event to us."""
    loss: float = 0.05
    """Share of events that never came."""
    memory: float = 0.85
    """Share of the broker's memory."""
    chord: float = 60.0
    """Seconds without progress of a chord of which nothing runs or waits any more."""
    reply_queues: int = 50
    """Reply queues that are bound: a few clients that ask at once are normal."""
    event_backlog: int = 10_000
    """Events that wait for one monitor."""
    sent_events: int = 10
    """Starts without one sending, before senders count as silent."""
    sent_watched: float = 30.0
    """Seconds without one sending: what starts at first was sent before we watched."""
    beat_grace: float = 30.0
    """Seconds beyond two intervals that a periodic task may be late."""
    orphan_doubt: float = 2.0
    """Seconds between two sources that may tell of the same moment."""
