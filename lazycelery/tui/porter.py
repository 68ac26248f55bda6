"""What keys do to the messages of a queue: look, move, bring dead letters home, delete, put orphans back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from difflib import SequenceMatcher
from typing import Any

from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import ActionName, Order
from lazycelery.model.completion import Completion
from lazycelery.model.counting import agreed
from lazycelery.model.queue import Queue
from lazycelery.tui.bulks import Bulks
from lazycelery.tui.crew import several
from lazycelery.tui.entry import Entry
from lazycelery.tui.inquiry import Subject
from lazycelery.tui.presentation.footer import Question

HOME = "home"
"""As a target: each dead letter goes to the queue in which it died."""


class Porter(Bulks):
    """The keys that handle messages."""

    def do_peek(self) -> None:  # noqa: D102 - the table of actions says what each does
        self._show_page()
        self.main.open("queues", "Messages")
        if (queue := self.pane.listing.key) is not None:
            self._if_it_may(
                [queue], lambda forced: self._look(queue) if forced else None, "Look all the same?"
            )

    def _look(self, queue: str) -> None:
        self.talk.say("Looking at the first messages …", "dim")
        self.errands.run(self._looked(queue))

    async def _looked(self, queue: str) -> None:
        if self.link.api is None:
            return
        page = await self.link.api.peek(queue, 0, 50, True)
        self.inquiry.keep(Subject("queues", queue), page)
        self.talk.message = None
        self.show()

    def do_move(self) -> None:  # noqa: D102
        if not (names := self._those("queues")):
            self.talk.say("Nothing is selected.", "warn")
            return
        known = {one.name: one for one in self.link.truth.queues or () if not one.folded}
        others = [one for name, one in known.items() if name not in names]
        others.sort(key=lambda one: SequenceMatcher(None, names[0], one.name).ratio(), reverse=True)
        offers = [(one.name, _note(one)) for one in others]  # The nearest name first: it may be a typo.
        if any(name in known and known[name].dead_letter_from for name in names):
            offers.insert(0, (HOME, "each dead letter to the queue in which it died"))
        lead = f" Move the messages of {several(names, 'queue')} to (QUEUE [FILTER]): "
        self._type(lead, offers, lambda text: self._send(names, text))

    def _send(self, queues: Sequence[str], text: str) -> None:
        target, _, wanted = text.partition(" ")
        if target == HOME:
            self._take("requeue", "bring home the dead letters of {}", queues, [], wanted)
        else:
            self._take("move", f"move {{}} to {target}", queues, [target], wanted)

    def do_delete(self) -> None:  # noqa: D102
        if not (names := self._those("queues")):
            self.talk.say("Nothing is selected.", "warn")
            return
        offers = [("name:", "by the task's name"), ("kwargs.", "by an argument"), ("id:", "by its id")]
        lead = f" Delete from {several(names, 'queue')} what matches: "
        self._type(lead, offers, lambda text: self._delete(names, text))

    def _delete(self, queues: Sequence[str], text: str) -> None:
        if text.endswith((":", ".")):
            raise UsageError(f"{text} says not which.", "Write a filter such as name:shop.charge.")
        self._take("delete", f"delete what matches {text} from {{}}", queues, [], text)

    def do_orphans(self) -> None:  # noqa: D102
        self.deeds.order("restore", [], orphans=True)

    # ---- asking

    def _type(self, lead: str, offers: Sequence[tuple[str, str]], do: Callable[[str], None]) -> None:
        """Let a person type; tab completes. Unlike a choice, what is entered is what was typed."""

        def wish(entry: Entry) -> None:
            typed = entry.prompt.text
            fitting = [offer for offer in offers if offer[0].startswith(typed)]
            entry.offer([Completion(start=0, end=len(typed), text=t, note=n) for t, n in fitting], typed)

        def end(text: str, entered: bool) -> None:
            if not entered or not text.strip():
                self.talk.say("Nothing was done.", "dim")
                return
            try:
                do(" ".join(text.split()))
            except UsageError as problem:
                self.talk.say(str(problem), "warn")

        entry = Entry(lead, "", end, wish=wish)
        self.talk.typing = entry
        entry.wish()

    def _take(
        self, action: ActionName, what: str, queues: Sequence[str], to: Sequence[str], wanted: str
    ) -> None:
        """Plan it; with a filter the messages must be seen, which is asked first where it costs something."""

        def order(forced: Collection[str]) -> None:
            looks: dict[str, Any] = {name: {"look": True} if name in forced else {} for name in queues}
            orders = {
                name: Order(action=action, targets=[name, *to], filter=wanted or None, params=looks[name])
                for name in queues
            }
            self._each(what, "queue", orders, "queues")

        if wanted:
            self._if_it_may(queues, order, "Look through all of it, to count what matches?")
        else:
            order(())

    def _if_it_may(self, queues: Sequence[str], do: Callable[[Collection[str]], None], question: str) -> None:
        """Do it; where a look costs something, only after a question, and then told of which queues."""
        self.errands.run(self._whether(queues, do, question))

    async def _whether(
        self, queues: Sequence[str], do: Callable[[Collection[str]], None], question: str
    ) -> None:
        if self.link.api is None:
            return
        pressed, costs = self.keys_pressed, dict[str, str]()
        for queue in queues:
            try:
                await self.link.api.peek(queue, 0, 1)
            except Refused as refused:
                costs[queue] = refused.title
        if self.keys_pressed != pressed:
            return  # A person went on; the next key is not meant for a question about this.
        if not costs:
            do(())
        elif len(costs) == 1:
            ((queue, title),) = costs.items()
            self.talk.ask(Question(title, question, about=queue), lambda _: do(costs))
        else:
            title = f"A look costs something in {several(list(costs), 'queue')}."
            asked = Question(title, question, summary=tuple(costs.values()))
            self.talk.ask(asked, lambda _: do(costs))
        self.show()


def _note(queue: Queue) -> str:
    return f"{queue.messages:,} {agreed(queue.messages, 'wait')}" if queue.messages is not None else ""
