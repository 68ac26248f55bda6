"""A chord waits for a member that will not come: its body never runs."""

from __future__ import annotations

from lazycelery.insight.advice import longer
from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short, short_id, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import Chord
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a chord."""
    if not seen.connected or not seen.alive:
        return []
    still = _still(seen)
    if not still or _anything_may_come(seen):
        return []
    held = _held(seen)
    return [_finding(seen, chord) for chord in still if not _may_come(held, set(chord.names))]


def _still(seen: Snapshot) -> list[Chord]:
    """Chords without progress for too long."""
    return [
        chord
        for chord in seen.chords or ()
        if chord.done < chord.size and seen.now - chord.since >= seen.limits.chord
    ]


def _anything_may_come(seen: Snapshot) -> str | None:
    """Why one may come: messages wait where somebody takes them, or a worker does not tell what it holds."""
    for queue in seen.queues:
        if queue.messages and seen.consumers(queue.name):
            return f"{count(queue.messages, 'message', does='wait')} in {queue.name}"
    silent = next((facts.name for facts in seen.alive if facts.silent is not None), None)
    return None if silent is None else f"{short(silent)} does not answer"


def _held(seen: Snapshot) -> set[str | None]:
    """Names of the tasks that run or are held."""
    return {
        task.name
        for facts in seen.alive
        for tasks in (facts.active, facts.reserved, facts.scheduled)
        for task in tasks or ()
    }


def _may_come(held: set[str | None], names: set[str]) -> bool:
    """Whether something that runs or is held may be the missing member."""
    return bool(held) and (not names or None in held or not held.isdisjoint(names))


def _finding(seen: Snapshot, chord: Chord) -> Finding:
    missing = chord.size - chord.done
    of = f" of {listed(sorted(chord.names))}" if chord.names else ""
    done = listed([short_id(member) for member in chord.members], 4)
    still = seen.now - chord.since
    return Finding(
        code="chord-stuck",
        severity="warning",
        title=f"A chord{of} waits for {count(missing, 'member')} of {chord.size} that will not come.",
        subject=chord.group,
        since=chord.since,
        evidence=[
            fact(f"{chord.done} of {chord.size} members are done: {done}", "result", chord.done),
            fact(f"no progress for {span(still)}", "result", round(still, 1)),
            fact("nothing of its kind runs, is held, or waits where a worker takes it", "control", 0),
        ],
        fix="Find the missing member (lost, revoked, or where nobody consumes) and retry it with its canvas.",
    )


def blind(seen: Snapshot) -> str | None:
    """Counters of chords are in the result backend."""
    if seen.chords is None:
        return "How far chords are is told by a result backend on Redis only."
    open_ones = [chord for chord in seen.chords if chord.done < chord.size]
    if not open_ones or not seen.alive:
        return None
    if seen.watched < seen.limits.chord:
        need = seen.limits.chord
        one = f"{count(len(open_ones), 'chord', does='wait')} for members"
        told = f"{one}; watched for {seen.watched:.0f} s, and standing still needs {need:.0f}"
        return told + longer(need, seen.replay)
    still = max(_still(seen), key=lambda chord: seen.now - chord.since, default=None)
    if still is None:
        return None
    # Told also where all is well: on a busy cluster a chord is never judged, and somebody may wait for it.
    why = _anything_may_come(seen) or f"{listed(still.names) or 'something'} runs or is held"
    return (
        f"A chord (group:{still.group}) has {still.done} of {still.size} members and did not move for "
        f"{span(seen.now - still.since)}: one may come yet, as {why}."
    )


MODE = Mode("chord-stuck", check, blind, patience=1.0, lingers=4.0)
