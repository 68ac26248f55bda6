"""Five calls at night, on a live fleet, with the keys that the screen names: see `stories.py`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pty.terminal import Terminal
from tests.scenario.stories import STORIES, Answer, Key, Story, document, plain
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

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
def room(broker: RedisServer) -> Iterator[Callable[[int, int], Player]]:
    opened: list[Terminal] = []

    def open_room(width: int, height: int) -> Player:
        home = os.environ["HOME"]
        state = {name: f"{home}/{name.lower()}" for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        words = ("-m", "lazycelery", "--broker", broker.url)
        opened.append(Terminal(*words, width=width, height=height, HOME=home, **state))
        return Player(opened[-1])

    yield open_room
    for terminal in opened:
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


def backlog(broker: RedisServer, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w1", concurrency=2)
    one = player()
    one.see("w1@test")
    for _ in range(4):
        send(broker.url, "shop.wait_for", str(tmp_path / "release"))
    for number in range(40):
        send(broker.url, "shop.add", number, 1)
    one.see("celery 40")
    return one


def failing(broker: RedisServer, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w1")
    one = player()
    one.see("w1@test")
    send(broker.url, "shop.until_file", str(tmp_path / "gateway"), backend=broker.url)
    for number in range(5):
        send(broker.url, "shop.add", number, 1, backend=broker.url)
    one.see("3 Tasks .*6 ")
    return one


def lost(broker: RedisServer, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w2")
    gone = worker("w1")
    one = player()
    one.see("w1@test.*w2@test")
    for _ in range(8):
        send(broker.url, "shop.wait_for", str(tmp_path / "release"))
    one.see("2/2.*2/2")
    time.sleep(1)  # What is prefetched has been told of.
    gone.kill()
    one.see("✗ w1@test", 40)
    return one


def chain(broker: RedisServer, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    from celery import Celery
    from celery import chain as chained

    worker("w1")
    worker("w2", concurrency=1, queues="slow")
    one = player()
    one.see("w1@test.*w2@test")
    send(broker.url, "shop.wait_for", str(tmp_path / "release"), queue="slow")
    with Celery("client", broker=broker.url, backend=broker.url, set_as_current=False) as app:
        app.conf.task_send_sent_event = True
        steps = [
            app.signature("shop.add", (1, 2)),
            app.signature("shop.add", (3,), options={"queue": "slow"}),
        ]
        chained(*steps).apply_async()
    one.see("3 Tasks .*3 ")
    return one


def name(broker: RedisServer, worker: Worker, player: Callable[[], Player], tmp_path: Path) -> Player:
    worker("w1")
    one = player()
    one.see("w1@test")
    for number in range(7):
        send(broker.url, "shop.add", number, 1, queue="celrey")
    one.see("celrey 7")
    return one


TROUBLES = {"backlog": backlog, "failing": failing, "lost": lost, "chain": chain, "name": name}


SLOW = {"lost"}
"""Those that have to wait for silence."""
CASES = [
    pytest.param(
        story,
        size,
        id=f"{story.name}-{size[0]}x{size[1]}",
        marks=[pytest.mark.soak] if size != SIZES[place % 2] or story.name in SLOW else [],
    )
    for place, story in enumerate(STORIES)
    for size in SIZES
]
"""Each story at one size by default, the rest with the long tests."""


@pytest.mark.broker
@pytest.mark.pty
@pytest.mark.parametrize(("story", "size"), CASES)
def test_a_call_is_answered_with_keys_that_the_screen_names(
    story: Story,
    size: tuple[int, int],
    broker: RedisServer,
    worker: Worker,
    room: Callable[[int, int], Player],
    tmp_path: Path,
) -> None:
    try:
        player = TROUBLES[story.name](broker, worker, lambda: room(*size), tmp_path)
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
