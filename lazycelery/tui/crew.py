"""What keys do to workers, to a queue's consumers, and to a task's limits: a choice, then a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lazycelery.engine.api import EngineApi
from lazycelery.errors import UsageError
from lazycelery.keys import Scope
from lazycelery.model.action import ActionName, Order, Outcome
from lazycelery.model.completion import Completion
from lazycelery.model.service import Deed
from lazycelery.model.signals import BRIEF
from lazycelery.model.task import TaskRow
from lazycelery.model.worker import Worker
from lazycelery.tui import outside, series
from lazycelery.tui.deeds import CANVAS
from lazycelery.tui.entry import Entry
from lazycelery.tui.presentation.workers import short_name
from lazycelery.tui.walk import Walk

Offer = tuple[str, str]
"""What may be typed, and what it does."""
LIVING = ("online", "busy", "deaf")


class Crew(Walk):
    """The keys that operate workers."""

    # ---- workers

    def do_pool(self) -> None:  # noqa: D102 - the table of actions says what each does
        names = self._those("workers")
        size = self._size(names)
        more, less = (f"{size} → {size + 1}", f"{size} → {size - 1}") if size else ("one more", "one less")
        self._ask(
            f" Pool of {_called(names)}: ",
            [
                ("grow 1", f"one process more ({more})"),
                ("shrink 1", f"one process less ({less})"),
                ("size 8", "so many processes in all"),
                ("autoscale 8 2", "at most, at least; where it runs with --autoscale"),
                ("restart", "new processes, each after its next task"),
                *self._services(names),
            ],
            lambda text: self._pool_or_service(text, names),
            names,
        )

    def _services(self, names: Sequence[str]) -> list[Offer]:
        """What the profile has commands for."""
        known = {service.name: service for service in self.services}
        if len(names) != 1 or names[0] not in known:
            return []
        deeds: tuple[Deed, ...] = ("start", "stop", "restart")
        return [
            (f"service {deed}", "by the profile's command")
            for deed in deeds
            if known[names[0]].command(deed) is not None
        ]

    def _pool_or_service(self, text: str, names: Sequence[str]) -> None:
        verb, _, deed = text.partition(" ")
        if verb != "service":
            self.deeds.order("pool", list(names), **_pool(text))
        elif self.deeds.may("service"):
            self.deeds.order("service", list(names), do=deed)

    def do_consume(self) -> None:  # noqa: D102
        names = self._those("workers")
        held = [set(worker.queues) for worker in self._workers() if worker.name in names]
        known = {queue.name for queue in self.link.truth.queues or () if not queue.folded}
        every = sorted(known | set().union(*held))
        offers = [
            *((f"consume {queue}", "") for queue in every if not all(queue in one for one in held)),
            *((f"cancel {queue}", "") for queue in every if any(queue in one for one in held)),
        ]
        self._ask(f" Queues of {_called(names)}: ", offers, lambda text: self._consume(text, names), names)

    def _consume(self, text: str, names: Sequence[str]) -> None:
        verb, queue = _two(text, "consume QUEUE or cancel QUEUE")
        if verb not in ("consume", "cancel"):
            raise UsageError(f"{verb!r} is neither consume nor cancel.", "consume QUEUE, or cancel QUEUE.")
        do = "add" if verb == "consume" else "cancel"
        self.deeds.order("consumers", [queue], do=do, workers=list(names))

    def do_events_worker(self) -> None:  # noqa: D102
        names = self._those("workers")
        on = all(one.events for one in self.link.truth.workers or () if one.name in names)
        if names:
            self.deeds.order("events", names, on=not on)
        else:
            self.talk.say("Nothing is selected.", "warn")

    def do_statistics(self) -> None:  # noqa: D102
        self._show_page()
        self.main.open("workers", "Statistics")
        self.detail.again()

    def do_shutdown(self) -> None:  # noqa: D102
        if names := self._those("workers"):
            self.deeds.order("shutdown", names)
        else:
            self.talk.say("Nothing is selected.", "warn")

    # ---- queues

    def do_consumers(self) -> None:  # noqa: D102
        names = self._those("queues")
        known = self._workers()
        offers = [
            *((f"add {one.name}", "") for one in known if not set(names) <= set(one.queues)),
            *((f"cancel {one.name}", "") for one in known if set(names) & set(one.queues)),
        ]
        lead = f" Consumers of {several(names, 'queue')}: "
        self._ask(lead, offers, lambda text: self._change(text, names), names)

    def _change(self, text: str, queues: Sequence[str]) -> None:
        verb, name = _two(text, "add WORKER or cancel WORKER")
        if verb not in ("add", "cancel"):
            raise UsageError(f"{verb!r} is neither add nor cancel.", "add WORKER, or cancel WORKER.")
        does = f"let {short_name(name)} consume {{}}{'' if verb == 'add' else ' no more'}"
        self._each_queue(does, "consumers", queues, do=verb, workers=[name])

    def do_hold(self) -> None:  # noqa: D102
        names = self._those("queues")
        held = {queue.name for queue in self.link.truth.queues or () if queue.held is not None}
        if not names:
            self.talk.say("Nothing is selected.", "warn")
        elif len(names) == 1:
            self._each_queue("turn {}", "consumers", names, do="turn")
        else:  # Some held and some not: all of them are held after it.
            do = "resume" if set(names) <= held else "hold"
            self._each_queue(f"{do} {{}}", "consumers", names, do=do)

    # ---- many

    def _each_queue(self, what: str, action: ActionName, queues: Sequence[str], **params: Any) -> None:
        orders = {name: Order(action=action, targets=[name], params=params) for name in queues}
        self._each(what, "queue", orders, "queues")

    def _each(self, what: str, kind: str, orders: Mapping[str, Order], scope: Scope) -> None:
        """One order for each thing that is marked in `scope`: what the engine does to one at a time."""
        if len(orders) == 1:
            ((name, order),) = orders.items()
            self.deeds.again(order, lambda outcome: self._unmark(scope, name, outcome))
        elif len(orders) > series.MOST:
            said = f"{len(orders):,} are marked, and {series.MOST} at a time is the most. Nothing was done."
            self.talk.say(said, "warn")
        elif orders:
            several = series.Series(what, kind, orders)
            self.deeds.each(several, lambda still: self.marks.keep(scope, still))
        else:
            self.talk.say("Nothing is selected.", "warn")

    def _unmark(self, scope: Scope, name: str, outcome: Outcome) -> None:
        """What it was done to loses its mark, and nothing else does."""
        if not outcome.failed and not outcome.unknown:
            self.marks.keep(scope, set(self.marks.of(scope)) - {name})

    # ---- tasks

    def do_limit(self) -> None:  # noqa: D102
        task = self.item.name if isinstance(self.item, TaskRow) else None
        if self.marked and self.marked != [self.pane.listing.key]:
            said = "A limit is of one task name: take the marks away, and choose one. Nothing was done."
            self.talk.say(said, "warn")
            return
        if not task:
            self.talk.say("The name of this task is not known.", "warn")
            return
        self._ask(
            f" Limit {task}: ",
            [
                ("rate 10/m", "so many a minute at each worker; /s and /h too"),
                ("rate none", "no rate limit"),
                ("time 60", "end its process after so many seconds"),
                ("time 50 60", "warn it first (soft), then end it"),
                ("time none none", "no time limits"),
            ],
            lambda text: self.deeds.order("limits", [], task=task, **_limit(text)),
            [task],
        )

    def do_terminate(self) -> None:  # noqa: D102
        ids = self._those("tasks")
        row = self.tasks.item
        if len(ids) == 1 and (row is None or row.id != ids[0]):
            row = self.tasks.named(ids[0])  # The one that is marked, wherever the cursor is.
        if len(ids) == 1 and row is not None and not self._hears_signals(row.worker):
            self.deeds.order("terminate", ids)  # Its plan says why not.
            return
        self._ask(
            f" Terminate {_tasks(ids)} with: ",
            list(BRIEF.items()),
            lambda text: self.deeds.order("terminate", ids, signal=text.upper()),
            ids,
        )

    def _hears_signals(self, worker: str | None) -> bool:
        """Only a prefork pool runs tasks in processes of their own."""
        pools = {one.name: one.pool for one in self.link.truth.workers or ()}
        return pools.get(worker or "") in (None, "prefork")

    def do_canvas(self) -> None:  # noqa: D102
        ids = self._those("tasks")
        if len(ids) > 1:
            self.talk.say("A canvas is named by one of its tasks. Nothing was done.", "warn")
            return
        overview = self.link.truth.overview
        allowed = [do for do in CANVAS if overview is not None and do in overview.allowed]
        whole = {
            "retry": [("retry", "from the failed step on; what succeeded is not run again")],
            "revoke": [("revoke", "all that is not done, also the steps not sent yet")],
            "terminate": [(f"terminate {name}", f"what runs, too: {does}") for name, does in BRIEF.items()],
        }
        offers = [offer for do in allowed for offer in whole[do]]
        self._ask(f" Canvas of {_tasks(ids)}: ", offers, lambda text: self._whole_canvas(text, ids), ids)

    def _whole_canvas(self, text: str, ids: Sequence[str]) -> None:
        verb, _, signal = text.partition(" ")
        do = next((each for each in CANVAS if each == verb), None)
        if do is None or bool(signal) != (do == "terminate"):
            raise UsageError(f"{text!r} is nothing that is done to a canvas.", f"One of {', '.join(CANVAS)}.")
        if self.deeds.may(do):
            more = {"signal": signal.upper()} if signal else {}
            self.deeds.order(do, list(ids), canvas=True, **more)

    def do_send(self) -> None:  # noqa: D102
        names = self._those("tasks")
        if len(names) > 1:
            self.talk.say("One task is edited at a time. Nothing was done.", "warn")
        elif not names or self.link.api is None:
            self.talk.say("Nothing is selected.", "warn")
        else:
            self.talk.say("Looking for what it was given …", "dim")
            self.errands.run(self._edit(self.link.api, names[0]))

    async def _edit(self, api: EngineApi, id: str) -> None:
        from lazycelery.engine import form  # The first frame does not need it.

        pressed = self.keys_pressed
        whole, text = await form.form_of(api, id)
        if self.keys_pressed != pressed:
            return  # A person went on, and an editor would take the keys.
        path = await asyncio.to_thread(outside.write, text.splitlines())
        try:
            before = path.stat().st_mtime_ns
            await self.surface.edit(path)
            saved = path.stat().st_mtime_ns != before
            written = await asyncio.to_thread(path.read_text, "utf-8", "replace")
        finally:
            outside.remove(path)
        if not saved:
            self.talk.say("It was not saved. Nothing was done.", "dim")
            self.show()
            return
        values = form.read(written)
        name = str(values.pop("task", ""))
        self.deeds.order("send", [name], **values, retry_of=whole)

    # ---- asking

    def _those(self, scope: str) -> list[str]:
        """All that are marked, or what the cursor is on."""
        key = self.pane.listing.key
        return self.marked or ([key] if key is not None and self.lead == scope else [])

    def _workers(self) -> list[Worker]:
        return [worker for worker in self.link.truth.workers or () if worker.state in LIVING]

    def _size(self, names: Sequence[str]) -> int | None:
        sizes = {worker.concurrency for worker in self._workers() if worker.name in names}
        return sizes.pop() if len(sizes) == 1 else None

    def _ask(
        self, lead: str, offers: Sequence[Offer], do: Callable[[str], None], about: Sequence[str]
    ) -> None:
        """Let a person choose, or type; what is wrong with it is said."""
        if not about:
            self.talk.say("Nothing is selected.", "warn")
            return

        def wish(entry: Entry) -> None:
            typed = entry.prompt.text
            fitting = [offer for offer in offers if typed.lower() in offer[0].lower()]
            ranked = sorted(fitting, key=lambda offer: not offer[0].startswith(typed))
            entry.offer([Completion(start=0, end=len(typed), text=t, note=n) for t, n in ranked], typed)

        def end(text: str, entered: bool) -> None:
            if not entered or not text.strip():
                self.talk.say("Nothing was done.", "dim")
                return
            try:
                do(" ".join(text.split()))
            except UsageError as problem:
                self.talk.say(str(problem), "warn")

        entry = Entry(lead, "", end, wish=wish, palette=True)
        self.talk.typing = entry
        entry.wish()


def _called(names: Sequence[str]) -> str:
    return short_name(names[0]) if len(names) == 1 else several(names, "worker")


def several(names: Sequence[str], kind: str) -> str:
    """The one name, or how many there are."""
    return names[0] if len(names) == 1 else f"{len(names):,} {kind}s"


def _tasks(ids: Sequence[str]) -> str:
    return ids[0][:8] if len(ids) == 1 else f"{len(ids):,} tasks"


def _two(text: str, wanted: str) -> tuple[str, str]:
    verb, _, rest = text.partition(" ")
    if not rest:
        raise UsageError(f"{text!r} is not enough.", f"{wanted}.")
    return verb, rest


def _pool(text: str) -> dict[str, Any]:
    """`grow 2`, `size 8`, `autoscale 8 2`, `restart`."""
    do, *words = text.split()
    numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
    wanted = {"grow": 1, "shrink": 1, "size": 1, "autoscale": 2, "restart": 0}.get(do)
    if wanted is None:
        raise UsageError(f"{do!r} is nothing that a pool does.", "grow, shrink, size, autoscale or restart.")
    if len(words) != wanted or len(numbers) != wanted:
        numbered = {0: "no number", 1: "one number", 2: "two numbers: at most, and at least"}[wanted]
        raise UsageError(f"{do} takes {numbered}.", f"It was given {text!r}.")
    if do == "autoscale":
        return {"do": do, "max": numbers[0], "min": numbers[1]}
    return {"do": do, "n": numbers[0]} if numbers else {"do": do}


def _limit(text: str) -> dict[str, Any]:
    """`rate 10/m`, `time 60`, `time 50 60`."""
    do, *words = text.split()
    if do == "rate" and len(words) == 1:
        return {"do": "rate", "rate": words[0]}
    if do == "time" and len(words) == 1:
        return {"do": "time", "hard": words[0]}
    if do == "time" and len(words) == 2:
        return {"do": "time", "soft": words[0], "hard": words[1]}
    raise UsageError(f"{text!r} is no limit.", "rate 10/m, time HARD, or time SOFT HARD.")
