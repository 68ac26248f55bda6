"""Which rule a failure falls under, when enough have failed, and when a rule must stop. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from fnmatch import fnmatchcase

from lazycelery.model.rule import Rule

MINUTE = 60.0
MOST_NAMES = 2000
"""Rules and task names whose failures are counted."""


def fitting(rules: Sequence[Rule], name: str, error: str) -> Rule | None:
    """The first rule whose patterns fit a task's name and error."""
    for rule in rules:
        if fnmatchcase(name, rule.task) and fnmatchcase(error, rule.error):
            return rule
    return None


def pause(rule: Rule, tries: int) -> float:
    """Seconds before the next retry, after so many."""
    return float(rule.backoff * 2 ** min(tries, 20))


class Failures:
    """Counts failures by rule and task name over the rule's time."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], deque[float]] = {}

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._times = {
            key: deque((at + by for at in times), times.maxlen) for key, times in self._times.items()
        }

    def note(self, rule: Rule, name: str, at: float) -> bool:
        """One more; returns whether there are enough for the rule to begin."""
        key = (rule.name, name)
        times = self._times.pop(key, None)
        if times is None:
            times = deque(maxlen=rule.failures)
        self._times[key] = times
        if len(self._times) > MOST_NAMES:  # Names are whatever somebody sends: the one not heard of longest.
            del self._times[next(iter(self._times))]
        times.append(at)
        while times and at - times[0] > rule.within:
            times.popleft()
        return len(times) >= rule.failures


class Breaker:
    """Stops a rule that does too much, or in vain."""

    def __init__(self) -> None:
        self._decisions: dict[str, deque[float]] = defaultdict(deque)
        self._vain: dict[str, int] = defaultdict(int)

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        for rule, times in self._decisions.items():
            self._decisions[rule] = deque(at + by for at in times)

    def decides(self, rule: Rule, at: float) -> str:
        """Before each decision: why the rule must stop instead, or ""."""
        times = self._decisions[rule.name]
        while times and at - times[0] >= MINUTE:
            times.popleft()
        if len(times) >= rule.most:
            return f"more than {rule.most} decisions in a minute"
        times.append(at)
        return ""

    def failed_again(self, rule: Rule) -> str:
        """A retry failed too: why the rule must stop, or ""."""
        self._vain[rule.name] += 1
        return (
            f"{rule.give_up} retries in a row failed again" if self._vain[rule.name] >= rule.give_up else ""
        )

    def mended(self, rule: str) -> None:
        """A retry succeeded."""
        self._vain[rule] = 0

    def forget(self, rule: str) -> None:
        """The rule begins anew."""
        self._vain.pop(rule, None)
        self._decisions.pop(rule, None)
