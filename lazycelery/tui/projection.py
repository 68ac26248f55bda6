"""A recording on the screen: what its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property

import msgspec

from lazycelery.model.reel import Reel, Turn
from lazycelery.tui.analyst import Analyst

NEAR = 10.0
"""Seconds of a small jump."""
FAR = 0.1
"""Share of the recording of a large one."""
TWICE = 2.0
GOING = "Going there …"


class Projection(Analyst):
    """The keys of a replay. `<` goes back in time, which takes another engine that begins before there."""

    _wanted: float | None = None
    """The moment that was asked for last, until the engine knows it."""

    @cached_property
    def _turning(self) -> asyncio.Lock:
        return asyncio.Lock()

    def do_replay_pause(self) -> None:  # noqa: D102
        self._turn("pause")

    def do_replay_step(self) -> None:  # noqa: D102
        self._turn("step")

    def do_replay_back(self) -> None:  # noqa: D102
        self._jump(-NEAR)

    def do_replay_forward(self) -> None:  # noqa: D102
        self._jump(NEAR)

    def do_replay_far_back(self) -> None:  # noqa: D102
        self._far(-FAR)

    def do_replay_far_forward(self) -> None:  # noqa: D102
        self._far(FAR)

    def do_replay_slower(self) -> None:  # noqa: D102
        self._pace(1 / TWICE)

    def do_replay_faster(self) -> None:  # noqa: D102
        self._pace(TWICE)

    def turn_to(self, moment: float) -> None:
        """A place of the bar was clicked."""
        self._to(lambda _: moment)

    async def _back(self) -> None:
        """Wait until the engine has begun anew and told where it is, and say so no more. Where another moment
        was asked for meanwhile, it goes there."""
        while not self.link.looked:  # noqa: ASYNC110 -- a link tells nobody of that alone
            await asyncio.sleep(0.02)
        if self.talk.message is not None and self.talk.message[0] == GOING:
            self.talk.message = None
            self.show()

    def _far(self, share: float) -> None:
        if (reel := self.reel) is not None:
            self._jump(share * (reel.end - reel.start))

    def _jump(self, seconds: float) -> None:
        def there(reel: Reel) -> float:
            here = reel.at if reel.played is not None else max(self.link.now(), reel.start)
            return max(reel.start, min(here, reel.end) + seconds)

        self._to(there)

    def _to(self, there: Callable[[Reel], float]) -> None:
        """Go to a moment; one that was asked for before and not reached yet is given up."""
        if (reel := self.reel) is None:
            return
        if self._wanted is not None:
            reel = msgspec.structs.replace(reel, at=self._wanted, played=reel.start)
        self._wanted = there(reel)
        self.errands.run(self._gone())

    async def _gone(self) -> None:
        async with self._turning:
            if (moment := self._wanted) is None:
                return  # A later key led further already.
            try:
                await self._turned("jump", lambda _: moment)
            finally:
                if self._wanted == moment:
                    self._wanted = None

    def _pace(self, factor: float) -> None:
        self._turn("speed", lambda reel: reel.speed * factor)

    def _turn(self, do: Turn, amount: Callable[[Reel], float] = lambda _: 0.0) -> None:
        self.errands.run(self._in_turn(do, amount))

    async def _in_turn(self, do: Turn, amount: Callable[[Reel], float]) -> None:
        async with self._turning:  # Each key goes on from where the one before it led.
            await self._turned(do, amount)

    async def _turned(self, do: Turn, amount: Callable[[Reel], float]) -> None:
        api, reel = self.link.api, self.reel
        if api is None or reel is None:
            return
        reel = await api.replay(do, amount(reel))
        if reel.reopen:
            self.talk.say(GOING, "dim")
            self.show()
            await self.link.reopen(reel.reopen)
            await self._back()
        else:
            self.link.turned(reel)
            self.show()
