"""A recording on the screen: what its keys do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import cached_property

from lazycelery.errors import LazyCeleryError
from lazycelery.model.reel import Reel, Turn
from lazycelery.tui.analyst import Analyst

NEAR = 10.0
"""Seconds of a small jump."""
FAR = 0.1
"""Share of the recording of a large one."""
TWICE = 2.0
PATIENCE = 60.0
"""Seconds for a recording to be played up to where it is wanted."""
GOING_BACK = "Going back: it is played up to there …"


class Projection(Analyst):
    """The keys of a replay. `<` goes back in time, which takes another engine that plays it up to there."""

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
        self._turn("jump", lambda _: moment)

    async def _arrived(self) -> None:
        """Wait until the other engine is there, then say so no more: the next key goes on from there."""
        with contextlib.suppress(LazyCeleryError, asyncio.TimeoutError):
            await asyncio.wait_for(self._played(), PATIENCE)
        if self.talk.message is not None and self.talk.message[0] == GOING_BACK:
            self.talk.message = None
            self.show()

    async def _played(self) -> None:
        while (api := self.link.api) is None:  # noqa: ASYNC110 -- a link tells nobody of that alone
            await asyncio.sleep(0.05)
        await api.ready(PATIENCE)

    def _far(self, share: float) -> None:
        if (reel := self.reel) is not None:
            self._jump(share * (reel.end - reel.start))

    def _jump(self, seconds: float) -> None:
        def there(reel: Reel) -> float:
            return max(reel.start, min(max(self.link.now(), reel.start), reel.end) + seconds)

        self._turn("jump", there)

    def _pace(self, factor: float) -> None:
        self._turn("speed", lambda reel: reel.speed * factor)

    def _turn(self, do: Turn, amount: Callable[[Reel], float] = lambda _: 0.0) -> None:
        self.errands.run(self._turned(do, amount))

    async def _turned(self, do: Turn, amount: Callable[[Reel], float]) -> None:
        async with self._turning:  # Each key goes on from where the one before it led.
            api, reel = self.link.api, self.reel
            if api is None or reel is None:
                return
            reel = await api.replay(do, amount(reel))
            if reel.reopen:
                self.talk.say(GOING_BACK, "dim")
                self.show()
                await self.link.reopen(reel.reopen)
                await self._arrived()
            else:
                self.link.turned(reel)
                self.show()
