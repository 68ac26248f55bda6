"""Five calls at night, on a live fleet, with the keys that the screen names: see `stories.py`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.places import Place, opened
from tests.pty.terminal import Terminal
from tests.scenario.stories import STORIES, Answer, Key, Story, document, plain
from tests.support.fleet import CeleryWorker

SIZES = [(80, 24), (160, 48)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "stories.md"
BY_NAME = {story.name: story for story in STORIES}
MOST = 3
"""Keys to an answer, at most."""

Worker = Callable[..., CeleryWorker]


class Player:
    """Somebody at the terminal who knows no key by heart."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.keys = 0
        self.known: set[str] = set()

    def press(self, key: Key) -> None:
        """A key, once the screen names it."""
        self.see(re.escape(key.named))
        self.terminal.send(key.key)
        self.keys += 1
        self.terminal.settle(0.3)

    def see(self, pattern: str, within: float = 25) -> None:
        self.terminal.until(lambda: re.search(pattern, plain(self.terminal.text)) is not None, within)

    def glance(self, answers: tuple[Answer, ...]) -> None:
        """Keep in mind what is seen by now."""
        seen = plain(self.terminal.text)
        self.known |= {answer.part for answer in answers if re.search(answer.pattern, seen)}

    def learn(self, answers: tuple[Answer, ...]) -> None:
        for answer in answers:
            if answer.part not in self.known:
                self.see(answer.pattern)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Redis, or a virtual host of RabbitMQ with its classic queues."""
    rabbit = None if request.param == "redis" else request.getfixturevalue("rabbit")
    with opened(request.param, tmp_path / "broker", rabbit) as place:
        yield place


@pytest.fixture
def worker(place: Place) -> Iterator[Worker]:
    started: list[CeleryWorker] = []

    def start(name: str = "w1", **options: Any) -> CeleryWorker:
        started.append(place.worker(name, **options).start())
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def room(place: Place) -> Iterator[Callable[[int, int], Player]]:
    rooms: list[Terminal] = []

    def open_room(width: int, height: int) -> Player:
        home = os.environ["HOME"]
        state = {name: f"{home}/{name.lower()}" for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        settings = {f"LAZYCELERY_{name.upper()}": str(value) for name, value in place.settings.items()}
        words = ("-m", "lazycelery", "--broker", place.url)
        rooms.append(Terminal(*words, width=width, height=height, HOME=home, **state, **settings))
        return Player(rooms[-1])

    yield open_room
    for terminal in rooms:
        terminal.close()


def walk(story: Story, player: Player) -> None:
    """To the answer, in no more keys than the story promises; all of it is seen on the way or at its end."""
    for at, key in enumerate(story.keys, 1):
        player.press(key)
        if at < len(story.keys):
            player.glance(story.answers)
    player.learn(story.answers)
    assert player.keys == len(story.keys)


def leave(player: Player) -> None:
    player.terminal.send("q")
    assert player.terminal.ended() == 0


# ---- the troubles, made for real


def backlog(place: Place, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w1", concurrency=2)
    one = player()
    one.see("w1@test")
    for _ in range(4):
        place.send("shop.wait_for", str(tmp_path / "release"))
    for number in range(40):
        place.send("shop.add", number, 1)
    one.see("celery 40")
    return one


def failing(place: Place, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w1")
    one = player()
    one.see("w1@test")
    place.send("shop.until_file", str(tmp_path / "gateway"))
    for number in range(5):
        place.send("shop.add", number, 1)
    one.see("3 Tasks .*6 ")
    return one


def lost(place: Place, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w2")
    gone = worker("w1")
    one = player()
    one.see("w1@test.*w2@test")
    for _ in range(8):
        place.send("shop.wait_for", str(tmp_path / "release"))
    one.see("2/2.*2/2")
    time.sleep(1)  # What is prefetched has been told of.
    gone.kill()
    one.see("✗ w1@test", 40)
    return one


def chain(place: Place, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    from celery import chain as chained

    worker("w1")
    worker("w2", concurrency=1, queues="slow")
    one = player()
    one.see("w1@test.*w2@test")
    place.send("shop.wait_for", str(tmp_path / "release"), queue="slow")
    with place.app() as app:
        steps = [
            app.signature("shop.add", (1, 2)),
            app.signature("shop.add", (3,), options={"queue": "slow"}),
        ]
        chained(*steps).apply_async()
    one.see("3 Tasks .*3 ")
    return one


def name(place: Place, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w1")
    one = player()
    one.see("w1@test")
    for number in range(7):
        place.send("shop.add", number, 1, queue="celrey")
    one.see("celrey 7")
    return one


TROUBLES = {"backlog": backlog, "failing": failing, "lost": lost, "chain": chain, "name": name}


SLOW = {"lost"}
"""Those that have to wait for silence."""
BROKERS = ("redis", "classic")
CASES = [
    pytest.param(
        story,
        size,
        broker,
        id=f"{story.name}-{size[0]}x{size[1]}-{broker}",
        marks=[pytest.mark.soak] if (at + by + nr) % 2 or story.name in SLOW else [],
    )
    for nr, story in enumerate(STORIES)
    for at, size in enumerate(SIZES)
    for by, broker in enumerate(BROKERS)
]
"""Each story at one size on Redis and at the other on RabbitMQ by default, the rest with the long tests."""


@pytest.mark.broker
@pytest.mark.pty
@pytest.mark.parametrize(("story", "size", "place"), CASES, indirect=["place"])
def test_a_call_is_answered_with_keys_that_the_screen_names(
    story: Story,
    size: tuple[int, int],
    place: Place,
    worker: Worker,
    room: Callable[[int, int], Player],
    tmp_path: Path,
) -> None:
    try:
        player = TROUBLES[story.name](place, worker, lambda: room(*size), tmp_path)
        walk(story, player)
        if story.proof is not None:
            (tmp_path / "gateway").touch()
            for key in story.cure:
                player.press(key)
            player.learn((story.proof,))
        leave(player)
    finally:
        (tmp_path / "release").touch()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_what_the_page_shows_is_what_the_screens_are_held_to(story: Story) -> None:
    assert 1 <= len(story.keys) <= MOST
    for answer in (*story.answers, *([story.proof] if story.proof else [])):
        assert re.search(answer.pattern, answer.sample), answer
    assert {"what", "where", "why"} <= {answer.part for answer in story.answers}


def test_the_page_of_stories_is_current() -> None:
    assert PAGE.read_text() == document(), "run: python -m tests.scenario.stories > docs/stories.md"
