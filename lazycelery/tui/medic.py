"""What keys do to findings: acknowledge, put off, unfold what was put off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.moments import span_in
from lazycelery.tui.entry import Entry
from lazycelery.tui.porter import Porter
from lazycelery.tui.presentation.findings import FOLD, Finding

if TYPE_CHECKING:
    from lazycelery.engine.finding_marks import MarkKind

TIMES = (("30m", ""), ("1h", ""), ("4h", ""), ("1d", ""), ("7d", "a note may follow: 4h deploy is under way"))


class Medic(Porter):
    """The keys that handle findings."""

    def do_acknowledge(self) -> None:  # noqa: D102 - the table of actions says what each does
        found = self._those_found()
        if not found:
            return
        if all(one.mark is not None and one.mark.kind == "ack" for one in found):
            self._put(found, "clear")
            return

        def end(text: str, entered: bool) -> None:
            if entered:
                self._put(found, "ack", None, " ".join(text.split()))
            else:
                self.talk.say("Nothing was done.", "dim")

        self.talk.typing = Entry(f" Acknowledge {_called(found)}, note: ", "", end)

    def do_snooze(self) -> None:  # noqa: D102
        found = self._those_found()
        if not found:
            return
        if all(one.mark is not None and one.mark.kind == "snooze" for one in found):
            self._put(found, "clear")
            return
        self._ask(
            f" Snooze {_called(found)} for: ",
            TIMES,
            lambda text: self._snooze(found, text),
            [one.name for one in found],
        )

    def _snooze(self, found: list[Finding], text: str) -> None:
        span, _, note = text.partition(" ")
        seconds = span_in(span)
        if seconds is None:
            raise UsageError(f"{span!r} is no time.", "Write 30m, 2h or 1d, and then a note.")
        self._put(found, "snooze", seconds, note)

    def _those_found(self) -> list[Finding]:
        """All that are marked, or what the cursor is on: findings of the doctor, no remarks."""
        names = set(self.marked)
        item = self.findings.item
        chosen = [one for one in self.findings.rows.items if one.name in names] if names else [item]
        found = [one for one in chosen if one is not None and one.found is not None]
        if not found:
            fold = item is not None and item.notice.code == FOLD
            said = (
                f"{self.look().key('open')} shows what is snoozed."
                if fold
                else "This is a remark, no finding."
            )
            self.talk.say(said if item is not None else "Nothing is selected.", "dim")
        return found

    def _put(
        self, found: list[Finding], kind: MarkKind, seconds: float | None = None, note: str = ""
    ) -> None:
        self.errands.run(self._marked(found, kind, seconds, note))

    async def _marked(self, found: list[Finding], kind: MarkKind, seconds: float | None, note: str) -> None:
        api = self.link.api
        if api is None:
            self.talk.say("The engine is not there yet. Nothing was done.", "warn")
            return
        done: list[Finding] = []
        try:
            for one in found:
                await api.mark_finding(one.notice.code, one.notice.subject, kind, seconds, note)
                done.append(one)
        except LazyCeleryError as problem:
            if not done:
                raise
            left = len(found) - len(done)
            self.marks.keep("findings", {one.name for one in found[len(done) :]})
            self.talk.say(f"{_called(done)} done, {left:,} not: {problem}", "warn")
            self.show()
            return
        self.marks.clear("findings")
        look = self.look()
        said = {
            "ack": f"Acknowledged {_called(found)}: no alert tells it again until it is worse. "
            f"{look.key('acknowledge')} takes it back.",
            "snooze": f"Snoozed {_called(found)}: back when its time is over or it is worse.",
            "clear": f"{_called(found)} counts again.",
        }[kind]
        self.talk.say(said, "ok")
        self.link.truth.overview = await api.overview()
        self.changed(tasks=False, workers=False, queues=False, status=True)
        self.show()  # While the screen is held still, too.


def _called(found: list[Finding]) -> str:
    return found[0].notice.code if len(found) == 1 else f"{len(found):,} findings"
