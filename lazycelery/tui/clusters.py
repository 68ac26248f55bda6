"""The clusters of this screen: each with a desk, an engine, a theme and keys of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.tui.desk import Desk
from lazycelery.tui.errands import Errands
from lazycelery.tui.presentation.clusters import ClusterLine
from lazycelery.tui.settings import Load, Settings


@dataclass
class Cluster:
    """One that is open."""

    desk: Desk
    theme: str
    """The theme worn while it is in front."""
    ascii: bool


class Clusters:
    """Opens, brings to front, closes. At least one is open, always."""

    def __init__(
        self,
        first: Settings,
        cluster: Cluster,
        make: Callable[[Settings], Cluster],
        fronted: Callable[[Cluster], None],
        changed: Callable[[], None],
        load: Load | None,
    ) -> None:
        name, known = first.profile.name, bool(first.profile.broker)
        self.front = cluster
        self._open = {name: cluster} if known else {}
        """By profile, in the order they were opened. All but the one in front go on behind it."""
        self._by_hand = {name: first} if known and name not in first.profiles else {}
        """What no profile can give again: a broker that was named on the command line."""
        self._profiles = list(first.profiles) if load else []
        self._make = make
        self._fronted = fronted
        self._changed = changed
        self._load = load
        self._errands = Errands(self._tell)
        self._opening: set[str] = set()
        self._problems: dict[str, str] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> Sequence[str]:
        """Profiles that are open, in the order of their tabs."""
        return list(self._open)

    def desk(self, name: str) -> Desk:
        """The desk of a profile that is open."""
        return self._open[name].desk

    def lines(self) -> list[ClusterLine]:
        """What is known of each profile: those that are open first, in the order of their tabs."""
        names = dict.fromkeys([*self._open, *self._profiles, *self._by_hand])
        return [self._line(name, number) for number, name in enumerate(names, 1)]

    def _line(self, name: str, number: int) -> ClusterLine:
        cluster = self._open.get(name)
        if cluster is None:
            note = "opening …" if name in self._opening else self._problems.get(name, "")
            return ClusterLine(name, number, note=note)
        truth = cluster.desk.link.truth
        problem = None if truth.engine_problem is None else truth.engine_problem.title
        return ClusterLine(
            name,
            number,
            open=True,
            front=cluster is self.front,
            overview=truth.overview,
            note=problem or "",
            alive=problem is None,
        )

    # ---- opening

    def bring(self, name: str) -> None:
        """Bring a cluster to the front; one that is not open yet is opened."""
        if name in self._open:
            self._to_front(self._open[name])
        elif name not in (*self._profiles, *self._by_hand):
            self._tell(f"There is no profile {name!r}.")
        else:
            self.front.desk.talk.say(f"Opening {name} …", "dim")
            self.begin(name, in_front=True)

    def begin(self, name: str, in_front: bool = False) -> None:
        """Open a profile. Reading it may take a while (a password command), and holds up nothing."""
        if name not in self._opening and name not in self._open:
            self._opening.add(name)
            self._problems.pop(name, None)
            self._errands.run(self._begin(name, self.front.desk if in_front else None))

    async def _settings(self, name: str) -> Settings:
        if name in self._by_hand:
            return self._by_hand[name]
        if self._load is None:
            raise UsageError(f"There is no profile {name!r}.")
        settings = await asyncio.to_thread(self._load, name)
        if not settings.profile.broker:
            raise UsageError(f"The profile {name!r} names no broker.", "lazycelery config check tells more.")
        return settings

    async def _begin(self, name: str, asked: Desk | None) -> None:
        keys = asked.keys_pressed if asked is not None else 0
        try:
            cluster = self._open[name] = self._make(await self._settings(name))
        except LazyCeleryError as problem:
            self._problems[name] = str(problem)
            raise
        finally:
            self._opening.discard(name)
        cluster.desk.link.clock = self.front.desk.link.clock
        cluster.desk.link.front = False
        cluster.desk.errands.run(cluster.desk.link.run())
        cluster.desk.errands.run(cluster.desk.saved.load())
        if asked is self.front.desk and asked.keys_pressed == keys:
            self._to_front(cluster)
        elif asked is not None:
            # A key pressed meanwhile was meant for what was seen; so is the next one.
            key = asked.look().key("cluster.next")
            how = f"{key} goes to it." if asked.start is None else "Choose it again to go there."
            self._tell(f"{name} is open. {how}")

    # ---- which one is in front

    def step(self, by: int) -> None:
        """To the next of those that are open."""
        clusters = list(self._open.values())
        if len(clusters) < 2:
            key = self.front.desk.look().key("brokers")
            self.front.desk.talk.say(f"No other cluster is open. {key} lists the profiles.", "dim")
        else:
            self._to_front(clusters[(clusters.index(self.front) + by) % len(clusters)])

    def _to_front(self, cluster: Cluster) -> None:
        if cluster is not self.front:
            self.front.desk.talk.message = None
            self.front.desk.leave()
        else:
            cluster.desk.views.close()
        self.front = cluster
        self._fronted(cluster)
        cluster.desk.come()

    # ---- closing

    def close(self, name: str) -> None:
        """End the engine of a cluster, and forget its desk."""
        cluster = self._open.get(name)
        talk = self.front.desk.talk
        if cluster is None:
            talk.say(f"{name} is not open.", "dim")
        elif len(self._open) == 1:
            talk.say(f"{name} is the only one. {self.front.desk.look().key('quit')} quits.", "dim")
        else:
            listed = cluster is self.front
            if listed:
                self.step(1)
            del self._open[name]
            cluster.desk.retire()
            leaving = asyncio.ensure_future(cluster.desk.link.close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self.front.desk.talk.say(f"{name} is closed.", "dim")
            if listed:
                self.front.desk.do_brokers()

    async def leave(self) -> None:
        """Let all engines go."""
        self._errands.stop()
        clusters = {id(one): one for one in (self.front, *self._open.values())}.values()
        for cluster in clusters:
            cluster.desk.retire()
        await asyncio.gather(*self._leaving, *(one.desk.link.close() for one in clusters))

    def _tell(self, text: str) -> None:
        self.front.desk.talk.say(text, "warn")
        self._changed()
