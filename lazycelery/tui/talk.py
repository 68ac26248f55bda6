"""What is said and asked in the last lines. Questions are never a window: they cost a line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from lazycelery.keys import Action
from lazycelery.tui.entry import Entry
from lazycelery.tui.menu import Menu
from lazycelery.tui.presentation.body import with_short_paths, wrapped
from lazycelery.tui.presentation.footer import Question, input_line, keys_line, question_lines
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.menu import menu_lines
from lazycelery.tui.presentation.names import width_of
from lazycelery.tui.presentation.offers import offers_line, offers_list
from lazycelery.tui.prompt import Letter, Prompt

MOST = 12
"""Lines that a message may take."""
SEEN = 6
"""Lines of the screen that a question leaves to what it is about, at least."""
SCROLLS = {"down": 1, "up": -1, "pagedown": 8, "pageup": -8, "ctrl+d": 4, "ctrl+u": -4}
"""Keys that move the facts of a question -> by how many lines."""
SENTENCE = 3
"""Lines that a sentence of it may take."""
PATH = 20
"""Characters of a path that are always told."""
MENU = 16
"""Lines that a menu may take."""


class Asked:
    """A question that waits for its answer."""

    def __init__(self, question: Question, yes: Callable[[str | None], None]) -> None:
        self.question = question
        self.yes = yes
        self.prompt: Prompt | Letter = Prompt() if question.level == "typed" else Letter()
        self.top = 0
        """The first line of its facts that is in sight, where not all are."""

    def scroll(self, chord: str) -> bool:
        """Whether a key moved the facts. In a line being typed `ctrl+u` is an editor's."""
        if chord not in SCROLLS or (isinstance(self.prompt, Prompt) and chord.startswith("ctrl")):
            return False
        self.top = max(0, self.top + SCROLLS[chord])
        return True


class Talk:
    """One thing at a time: a question, a line being typed, a message, or the keys."""

    def __init__(self) -> None:
        self.asked: Asked | None = None
        self.typing: Entry | None = None
        self.menu: Menu | None = None
        self.message: tuple[str, str] | None = None
        """(text, token), until the next key."""

    @property
    def listens(self) -> bool:
        """Whether all keys go to a question, prompt or menu."""
        return self.asked is not None or self.typing is not None or self.menu is not None

    def say(self, text: str, token: str = "") -> None:
        """Tell something; it stays until the next key."""
        self.message = (text, token)

    def forget_failure(self) -> None:
        """What failed because nobody was there is old news once somebody is."""
        if self.message is not None and self.message[1] == "fail":
            self.message = None

    def ask(self, question: Question, yes: Callable[[str | None], None]) -> None:
        """Ask; `yes` is called with the typed word, and nothing is called for No."""
        self.message = None
        self.asked = Asked(question, yes)

    def drop(self) -> bool:
        """Let go of whatever listens, as if it had been left; whether a question was among it."""
        asked, typing = self.asked, self.typing
        self.asked = self.typing = self.menu = None
        if typing is not None:
            typing.end(typing.prompt.text, False)
        return asked is not None

    def press(self, chord: str, character: str | None) -> None:
        """Give a key to what listens."""
        if self.asked is not None:
            self._answer(self.asked, chord, character)
        elif self.typing is not None:
            self._type(self.typing, chord, character)
        elif self.menu is not None:
            self._choose(self.menu, chord)

    def paste(self, text: str) -> None:
        """Give a pasted text to the line being typed."""
        if self.typing is not None:
            self.typing.insert(text)
        elif self.asked is not None and isinstance(self.asked.prompt, Prompt):
            self.asked.prompt.insert(text)

    def _answer(self, asked: Asked, chord: str, character: str | None) -> None:
        if asked.scroll(chord):
            return
        verdict = asked.prompt.press(chord, character)
        if verdict == "open":
            return
        self.asked = None
        typed = asked.prompt.text.strip() if isinstance(asked.prompt, Prompt) else None
        if verdict == "no" or typed == "":
            self.say("No. Nothing was done.")
        elif typed is not None and typed != asked.question.word:
            self.say(f"That is not {asked.question.word}. Nothing was done.", "warn")
        else:
            asked.yes(typed)

    def _choose(self, menu: Menu, chord: str) -> None:
        self.menu = None
        if menu.press(chord):
            self.menu = menu

    def _type(self, typing: Entry, chord: str, character: str | None) -> None:
        verdict = typing.press(chord, character)
        if verdict == "open":
            return
        if verdict == "no" or not typing.stays:
            self.typing = None
        typing.end(typing.prompt.text, verdict == "yes")

    def lines(
        self, actions: Sequence[Action], trouble: Line, look: Look, width: int, height: int = 24
    ) -> list[Line]:
        """The last lines of a screen of so many; what is broken stands above the keys."""
        if self.asked is not None:
            typed = self.asked.prompt.text if isinstance(self.asked.prompt, Prompt) else None
            room = max(SEEN, height - SEEN)
            whole = question_lines(self.asked.question, typed, look, width)
            self.asked.top = max(0, min(self.asked.top, len(whole) - room + 1))
            if len(whole) <= room:
                return whole
            return question_lines(self.asked.question, typed, look, width, room, self.asked.top)
        if self.menu is not None:
            return menu_lines(self.menu.title, self.menu.choices, self.menu.at, look, width, MENU)
        above = [trouble] if trouble else []
        if self.typing is not None:
            return [*above, *_typed_lines(self.typing, look, width)]
        if self.message is not None:
            text, token = self.message
            lines = [line for part in text.split("\n") for line in _told(part, token, width)]
            if len(lines) > MOST:
                lines = [*lines[: MOST - 1], ((f" {look.signs.more} the audit log tells the rest", "dim"),)]
            return [*above, *lines]
        return [*above, keys_line(actions, width)]


def _typed_lines(typing: Entry, look: Look, width: int) -> list[Line]:
    prompt, above = typing.prompt, list[Line]()
    beside = ((f"  {typing.note}", "fail"),) if typing.note else ()
    if typing.note and width_of(f"{typing.lead}{prompt.text}   {typing.note}") > width:
        # Its end says what was meant.
        above, beside = wrapped(typing.note, width - 2, "fail", lead=" ", limit=SENTENCE), ()
    line = input_line(typing.lead, prompt.text, prompt.at, beside, width)
    if typing.palette:
        return [*offers_list(typing.offers, typing.chosen, look, width), *above, line]
    if not typing.offers:
        return [*above, line]
    return [offers_line(typing.offers, typing.chosen, look, width), *above, line]


def _told(text: str, token: str, width: int) -> list[Line]:
    """A message over a few lines. Where that is too little, its paths give way: what to press next stands
    at its end."""
    if len(textwrap.wrap(text, max(10, width - 3))) > SENTENCE:
        text = with_short_paths(text, max(PATH, width // 2))
    return wrapped(text, width - 2, token, lead=" ", limit=SENTENCE)
