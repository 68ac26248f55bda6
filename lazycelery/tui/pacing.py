"""How much may be on its way to the terminal: measured by its own answers. Knows no terminal and no clock.

Each piece that is sent ends with a question (where is the cursor?). The answer tells that the terminal,
and every buffer before it, has taken the piece. So a slow line gets small pieces, and a key's answer
never stands behind more than a twentieth of a second of older paint.
"""

from __future__ import annotations

from collections import deque

FIRST = 4096
"""Bytes that may be on their way before anything is known."""
LEAST, MOST = 256, 1 << 14
"""Bytes that may be on their way on the slowest line, and on the fastest: it may become slow any moment."""
AIM = 0.05
"""Seconds of paint that may stand before a key's answer."""
QUICK, SLOW = 0.025, 0.06
"""Seconds of delay below which more may be on its way, and above which less."""
BOLD, CAREFUL = 4.0, 1.5
"""How much more is tried after a quick answer: before a line was ever slow, and after."""
PATIENCE = 0.3
"""Seconds after which a terminal that has never answered is taken for one that does not."""
SILENCE = 2.0
"""Seconds after which an answer of one that does is taken for lost."""
UNPACED = 1 << 14
"""Bytes at a time for a terminal that does not answer."""
MARKS = 30
"""Questions that can be told from each other."""


class Pacer:
    """Counts what was sent and answered. Moments are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._budget = FIRST
        self._growth = BOLD
        self._waiting: deque[tuple[float, int, int, int, float]] = deque()
        """Of each piece not answered yet: when sent, bytes on their way up to its end, its own ones, mark,
        and our CPU seconds then."""
        self._mark = 0
        self._base: float | None = None
        """Seconds that an answer takes on an idle line."""
        self.answers = False
        """Whether this terminal has ever answered."""
        self.mute = False
        """Whether it is taken for one that does not."""
        self._lost = False
        """Whether pieces may be on their way whose answers are not awaited any more."""

    @property
    def on_its_way(self) -> int:
        """Bytes that were sent and are not known to have arrived."""
        return sum(own for _, _, own, _, _ in self._waiting)

    @property
    def settled(self) -> bool:
        """Whether no answer is awaited."""
        return not self._waiting

    @property
    def idle(self) -> bool:
        """Whether the terminal is known to have taken everything: it answers, and has."""
        return self.settled and self.answers and not self.mute and not self._lost

    def room(self, now: float) -> int:
        """Bytes that may be sent now; 0 when the answers must come first."""
        self._lose_patience(now)
        if self.mute:
            return UNPACED
        left = self._budget - self.on_its_way
        return left if left >= self._budget // 2 else 0

    def _lose_patience(self, now: float) -> None:
        if not self._waiting or now - self._waiting[0][0] < (SILENCE if self.answers else PATIENCE):
            return
        self.give_up()
        self._budget = FIRST
        self.mute = not self.answers

    def sent(self, size: int, now: float, worked: float = 0.0) -> int:
        """A piece is sent; the mark (from 1) of the question at its end, or 0 when nothing is to be asked.
        `worked`: CPU seconds of who reads the answers so far."""
        if self.mute:
            return 0
        self._mark = self._mark % MARKS + 1
        self._waiting.append((now, self.on_its_way + size, size, self._mark, worked))
        return self._mark

    def answered(self, mark: int, now: float, worked: float = 0.0) -> None:
        """The terminal has taken the piece whose question bore this mark, and all before it. While we worked
        nobody read the answer: that makes no line a slow one.

        An answer to a question that was given up tells that the terminal answers, and nothing of its speed.
        """
        self.answers, self.mute = True, False
        if all(mark != own for _, _, _, own, _ in self._waiting):
            return
        at, ahead, _, own, before = self._waiting.popleft()
        while own != mark:
            at, ahead, _, own, before = self._waiting.popleft()
        self._lost = False
        took = max(0.0, now - at)
        # An idle line may become slower for good, so the best time is forgotten little by little.
        self._base = took if self._base is None else min(took, self._base * 1.002)
        delay = took - self._base
        if delay - (worked - before) > SLOW:
            self._budget = max(LEAST, min(self._budget, int(ahead * AIM / delay)))
            self._growth = CAREFUL
        elif delay < QUICK and ahead >= self._budget // 2:
            self._budget = min(MOST, int(self._budget * self._growth))

    def give_up(self) -> None:
        """Answers on their way are not awaited any more: somebody else may have read them."""
        self._lost = self._lost or bool(self._waiting)
        self._waiting.clear()

    @property
    def trip(self) -> float:
        """Seconds that an answer takes on an idle line, as far as it is known."""
        return self._base or 0.0
