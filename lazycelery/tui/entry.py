"""A line being typed, with what may stand in it and what was typed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.model.completion import Completion
from lazycelery.tui.prompt import Prompt, Verdict


def nothing(text: str) -> None:
    """Does nothing with a text."""


class Entry:
    """Tab takes what is offered, the arrows fetch what was typed before.

    As a `palette`, the arrows choose among the offers instead, and Enter takes the chosen one.
    """

    def __init__(
        self,
        lead: str,
        text: str,
        end: Callable[[str, bool], None],
        *,
        change: Callable[[str], None] = nothing,
        wish: Callable[[Entry], None] | None = None,
        past: Sequence[str] = (),
        palette: bool = False,
    ) -> None:
        self.lead = lead
        self.prompt = Prompt(text)
        self.change = change
        """Called with the text after each key."""
        self.end = end
        """Called with the text, and whether it was entered."""
        self.stays = False
        """Whether the line stays when it is entered: whoever reads it closes it, once it is right."""
        self.note = ""
        """What is wrong with it."""
        self.offers: Sequence[Completion] = ()
        self.chosen: int | None = None
        self.palette = palette
        self._wish = wish
        self._past = list(past)
        self._age = 0
        """How far back in the past we are; 0 is what is being typed."""
        self._base = text
        """The text that the offers are about."""
        self._fresh = text
        self._ready = False
        """Whether the offers are about the text as it is. Older ones stay in sight meanwhile."""

    def wish(self) -> None:
        """Ask for offers for the text as it is."""
        if self._wish is not None:
            self._wish(self)

    def offer(self, offers: Sequence[Completion], about: str) -> None:
        """What may stand in the text `about`; too late when it has changed."""
        if about == self.prompt.text and self.chosen is None:
            self.offers, self._base, self._ready = offers, about, True
            self.chosen = 0 if self.palette and offers else None

    def press(self, chord: str, character: str | None) -> Verdict:
        """Take a key."""
        before = self.prompt.text
        verdict: Verdict = "open"
        if chord in ("tab", "shift+tab"):
            self._take(1 if chord == "tab" else -1)
        elif chord in ("up", "down"):
            self._up_or_down(-1 if chord == "up" else 1)
        else:
            if chord == "enter" and self.palette:
                self._take(0)
            verdict = self.prompt.press(chord, character)
            if self.prompt.text != before:
                self._typed()
        if verdict == "open" and self.prompt.text != before:
            self.note = ""
            self.change(self.prompt.text)
        return verdict

    def insert(self, text: str) -> None:
        """Take a pasted text."""
        self.prompt.insert(text)
        self._typed()
        self.change(self.prompt.text)

    def _typed(self) -> None:
        self._age, self._fresh = 0, self.prompt.text
        self._ready, self.chosen = False, None
        self.wish()

    def _take(self, step: int) -> None:
        """Put the next offer in place; again takes the one after it."""
        if not (self.offers and self._ready):
            return
        first = 0 if step >= 0 else -1
        following = first if self.chosen is None or self.palette else self.chosen + step
        place = (self.chosen or 0) if self.palette else following % len(self.offers)
        offer = self.offers[place]
        self._put(self._base[: offer.start] + offer.text + self._base[offer.end :])
        self.prompt.at = offer.start + len(offer.text)
        if len(self.offers) == 1 or self.palette:
            self._typed()
        else:
            self.chosen = place

    def _up_or_down(self, step: int) -> None:
        if self.palette:
            if self.offers:
                self.chosen = max(0, min((self.chosen or 0) + step, len(self.offers) - 1))
            return
        self._age = max(0, min(self._age - step, len(self._past)))
        self._put(self._past[-self._age] if self._age else self._fresh)
        self.offers, self.chosen = (), None

    def _put(self, text: str) -> None:
        self.prompt.text, self.prompt.at = text, len(text)
