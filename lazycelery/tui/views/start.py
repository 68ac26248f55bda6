"""The first screen of somebody who named no broker: what was tried, how to give one, what can be opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.engine.api import EngineApi
from lazycelery.model.text import clean
from lazycelery.tui.presentation.frame import framed
from lazycelery.tui.presentation.line import Line, crop
from lazycelery.tui.presentation.look import Look

DEMO = "d"
EXAMPLES = (
    ("lazycelery --broker redis://localhost:6379/0", "looks at this one"),
    ("lazycelery config init", "writes a file for profiles"),
)


class StartView:
    """Profiles to choose, and the demo. `choose` is given a profile's name."""

    title = "Start"
    pace = 60.0
    filter: str | None = None

    def __init__(
        self,
        tried: Sequence[str],
        profiles: Sequence[str],
        choose: Callable[[str], None],
        demo: Callable[[], None] | None,
    ) -> None:
        self.problem: str | None = None
        self._tried = tried
        self._profiles = profiles
        self._choose = choose
        self._demo = demo
        self._at = 0

    async def fetch(self, api: EngineApi) -> None:
        """There is no engine to look at."""

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """Everything in one frame."""
        lines = [*self._choices(look), *self._ways(), *self._where()]
        inner = [crop(((" ", ""), *line), width - 2, look.signs.more) for line in lines]
        return framed(inner, width, height, look.signs, title=(("No broker yet", "title"),), focused=True)

    def _choices(self, look: Look) -> list[Line]:
        lines: list[Line] = [(("Open", "head"),)]
        for place, name in enumerate(self._profiles):
            here = place == self._at
            mark = look.signs.cursor if here else " "
            lines.append(((f" {mark} ", "accent"), (clean(name, 60), "accent cursor" if here else "")))
        if not self._profiles:
            lines.append((("   no profile: the configuration names none", "dim"),))
        if self._demo is not None:
            lines.append(((f" {DEMO} ", "accent"), ("the demo: an own broker and a living shop", "")))
        return [*lines, ()]

    @staticmethod
    def _ways() -> list[Line]:
        rows = [((f"   {command}", "accent"), (f"  {what}", "dim")) for command, what in EXAMPLES]
        return [(("From the shell", "head"),), *rows, ()]

    def _where(self) -> list[Line]:
        rows: list[Line] = [((f"   {clean(line, 200)}", "dim"),) for line in self._tried]
        return [(("Looked for a broker here", "head"),), *rows]

    def press(self, chord: str) -> bool:
        """Take a key of its own; whether it was one."""
        if chord != DEMO or self._demo is None:
            return False
        self._demo()
        return True

    def move(self, lines: int) -> None:
        """Choose another profile."""
        self._at = max(0, min(self._at + lines, len(self._profiles) - 1))

    def turn(self, pages: float) -> None:
        """To the first or last profile."""
        self.move(round(pages * len(self._profiles)))

    def set_filter(self, text: str) -> None:
        """Nothing is filtered."""

    def hold(self) -> str | None:
        """Nothing runs."""
        return None

    def enter(self) -> None:
        """Open the chosen profile."""
        if self._profiles:
            self._choose(self._profiles[self._at])

    def leave(self) -> bool:
        """There is nothing behind it."""
        return True
