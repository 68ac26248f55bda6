"""We see late, or not all: what is shown may be old."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Evidence, Finding

FASTER = (
    "It catches up by itself. A faster or less busy machine keeps more; history = false spares it a third."
)
WHOLE = "Nothing is to be done; failures were kept whole all the time."
UNHEARD = (
    "Workers and the result backend were asked for what they still know of it. A faster or less busy "
    "machine, or a larger client-output-buffer-limit for pubsub in Redis, hears more."
)
REMEMBERED = 600.0
"""Seconds for which it is still told that something was let go."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding for lag, loss, or a stream that is down."""
    if not seen.connected:
        return []
    evidence: list[Evidence] = []
    events, control = seen.source("events"), seen.source("control")
    if events.state in ("lost", "refused") and not seen.went_with_broker("events"):
        evidence.append(fact(f"the event stream is down: {events.reason.rstrip('.')}", "monitor"))
    if control.state in ("lost", "refused"):
        evidence.append(fact(f"control is down: {control.reason.rstrip('.')}", "monitor"))
    if seen.lag is not None and seen.lag > seen.limits.lag:
        evidence.append(fact(f"events arrive {seen.lag:.1f} s late", "monitor", round(seen.lag, 1)))
    if seen.loss is not None and seen.loss > seen.limits.loss:
        share = f"{seen.loss:.0%} of started tasks sent no event that came here"
        evidence.append(fact(share, "monitor", round(seen.loss, 3)))
    if not evidence:
        return _relieved(seen)
    evidence += _let_go(seen)
    down = events.state in ("lost", "refused") or control.state in ("lost", "refused")
    hint = events.hint or control.hint
    return [
        Finding(
            code="monitor-behind",
            severity="warning",
            title=f"We do not see all: {evidence[0].text}.",
            since=events.since if events.state in ("lost", "refused") else None,
            evidence=evidence,
            fix=hint
            if down and hint
            else "Run this monitor nearer to the broker, or set a larger refresh in the profile.",
        )
    ]


def _relieved(seen: Snapshot) -> list[Finding]:
    """We keep up, as something is let go, or was a while ago."""
    relief = seen.relief
    recent = relief.ever and relief.since is not None and seen.now - relief.since < REMEMBERED
    if not relief.active and not recent:
        return []
    if relief.one_in > 1:
        counted = "all that were heard" if relief.cut_off else "all"
        what = f"of tasks that succeed 1 in {relief.one_in} is kept, and {counted} are counted"
    else:
        what = "long arguments and results are not kept"
    if relief.cut_off:
        what = f"{relief.missed:.1f} s of them were not heard, and {what}"
    active = f"More events come than this monitor can take: {what}."
    over = "More events came than this monitor can take. It keeps everything again."
    if relief.cut_off:
        over = f"More events came than this monitor can take: {relief.missed:.1f} s of them were not heard."
    return [
        Finding(
            code="monitor-behind",
            severity="warning" if relief.active or relief.cut_off else "info",
            title=active if relief.active else over,
            since=relief.since if relief.active else None,
            evidence=_let_go(seen),
            fix=FASTER if relief.active else UNHEARD if relief.cut_off else WHOLE,
        )
    ]


def _let_go(seen: Snapshot) -> list[Evidence]:
    relief = seen.relief
    told = (
        (relief.texts, "long texts were let go"),
        (relief.successes, "successful tasks were counted and let go"),
        (relief.waiting, "waiting tasks were let go until a worker had them"),
        (relief.cut_off, "times the connection broke while more waited in it than was read"),
    )
    return [fact(f"{number:,} {what}", "monitor", number) for number, what in told if number]


def blind(seen: Snapshot) -> str | None:
    """Without events there is nothing to be late."""
    return "No event came yet." if seen.lag is None and seen.source("events").state == "connected" else None


MODE = Mode("monitor-behind", check, blind, patience=3.0, lingers=4.0)
