"""A recording is written beside the engine's loop, without secrets: nobody waits for its disk."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.summary import of_recording
from lazycelery.errors import UsageError
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.reports import QueueReport
from lazycelery.sources import open_broker
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay import taping
from lazycelery.sources.replay.recording import RecordingBroker
from lazycelery.sources.replay.tape import Answer, Frame, Tape, TapeWriter
from lazycelery.sources.replay.taping import EVERY, TOO_SLOW, Taping
from lazycelery.sources.replay.veiling import WORDS, Veil
from lazycelery.sources.whole import WholeBroker
from tests.store.build import T0, received, started, succeeded

SECRET = "hunter2"


class Disk(TapeWriter):
    """One that hangs, and one that refuses."""

    def __init__(self, path: Path) -> None:
        self.free, self.problem = threading.Event(), 0
        self.free.set()
        super().__init__(path)

    def append(self, frames: bytes | bytearray) -> None:
        self.free.wait(30)
        if self.problem:
            raise OSError(self.problem, os.strerror(self.problem))
        super().append(frames)


class Recorded:
    """A recording that is made by hand."""

    def __init__(self, path: Path) -> None:
        self.path, self.disk = path, Disk(path)
        self.taping = Taping(self.disk, Veil(Redactor()))

    def hear(self, at: float, *events: Event) -> None:
        self.taping.events(T0 + at, events)

    def frames(self) -> list[Frame]:
        return list(Tape(self.path).frames())

    def ids(self) -> list[str | None]:
        return [event.uuid for one in self.frames() if one.kind == "events" for event in one.said]

    def links(self) -> list[tuple[float, str, str]]:
        found = [one for one in self.frames() if one.kind == "links"]
        return [(one.at - T0, one.said.state, one.said.reason) for one in found]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    recorded = Recorded(tmp_path / "made.tape")
    yield recorded
    recorded.disk.free.set()
    recorded.taping.close()


def wait(done: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


def test_what_was_said_is_on_the_disk_within_a_second_and_in_order(recorded: Recorded) -> None:
    recorded.taping.put(T0, "names", ["celery"])
    for number in range(1, 400):
        recorded.hear(number, received(number, f"t{number}"), started(number, f"t{number}"))
        recorded.taping.put(T0 + number, "workers", ["w1@h"])
    began = time.monotonic()
    assert wait(lambda: recorded.path.stat().st_size > 100 and len(recorded.ids()) == 798)
    assert time.monotonic() - began < EVERY + 0.7  # Reading it here takes a part of that.
    told = [(one.at, one.kind) for one in recorded.frames()]
    assert told == sorted(told, key=lambda one: one[0])
    assert [kind for _, kind in told[:5]] == ["names", "events", "workers", "events", "workers"]


def test_what_the_store_does_to_an_event_later_is_not_recorded(recorded: Recorded) -> None:
    event = received(1, "a", args="(1,)")
    recorded.disk.free.clear()
    recorded.hear(1, event)
    event.args = None
    recorded.disk.free.set()
    recorded.taping.close()
    [kept] = [one for one in recorded.frames() if one.kind == "events"]
    assert kept.said[0].args == "(1,)"


async def test_a_disk_that_hangs_holds_up_nobody_and_the_gap_is_told(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taping, "MOST_BYTES", 100_000)
    monkeypatch.setattr(taping, "GOES_ON", 50_000)
    recorded.taping.put(T0, "links", StatusChange("connected"))
    recorded.hear(1, received(1, "before"))
    assert wait(lambda: recorded.path.stat().st_size > 100 and recorded.ids() == ["before"])
    recorded.disk.free.clear()
    longest, text = 0.0, "x" * 1000
    for number in range(2_000):
        began = time.perf_counter()
        recorded.hear(10 + number / 100, received(10, f"t{number}", args=text))
        longest = max(longest, time.perf_counter() - began)
    recorded.taping.put(T0 + 30, "broker", StatusChange("lost", "gone"))
    held = sum(one.size for one in recorded.taping._waits)
    assert longest < 0.1 and held < 110_000
    missing = recorded.taping.missing
    assert 1_900 < missing < 2_000
    recorded.disk.free.set()
    assert wait(lambda: not recorded.taping._waiting)
    recorded.hear(60, received(60, "after"), succeeded(60, "after"))
    recorded.taping.close()
    ids = recorded.ids()
    kept = 2_000 - missing
    assert ids == ["before", *(f"t{number}" for number in range(kept)), "after", "after"]
    lost = pytest.approx(10 + kept / 100, abs=0.1)
    assert recorded.links() == [(0, "connected", ""), (lost, "lost", TOO_SLOW), (60, "connected", "")]
    # How the broker was is told also of the gap.
    assert [one.said.state for one in recorded.frames() if one.kind == "broker"] == ["lost"]
    # A replay shows it as any other gap.
    engine = Engine(Profile(broker=f"replay://{recorded.path}"))
    await engine.start()
    await engine.ready(5)
    link = next(one for one in (await engine.overview()).sources if one.name == "events")
    assert (link.state, link.gaps) == ("connected", 1)
    assert "gap" in (await engine.task("t0")).marks
    await engine.close()


def test_after_a_gap_the_link_is_told_as_it_is_by_then(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taping, "MOST_BYTES", 1_000)
    monkeypatch.setattr(taping, "GOES_ON", 500)
    recorded.disk.free.clear()
    for number in range(5):
        recorded.hear(number, received(number, f"t{number}"))
    recorded.taping.put(T0 + 7, "links", StatusChange("lost", "The broker is away."))
    recorded.disk.free.set()
    assert wait(lambda: not recorded.taping._waiting)
    recorded.taping.put(T0 + 9, "names", ["celery"])
    recorded.taping.close()
    assert [told[1:] for told in recorded.links()] == [("lost", TOO_SLOW), ("lost", "The broker is away.")]
    assert recorded.frames()[-1].kind == "names"


def test_a_batch_that_is_larger_than_all_the_room_is_recorded(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taping, "MOST_BYTES", 1_000)
    recorded.hear(1, *(received(1, f"t{number}", args="x" * 1000) for number in range(50)))
    recorded.taping.close()
    assert len(recorded.ids()) == 50 and not recorded.taping.missing


def test_the_end_waits_for_what_is_left_but_not_for_ever(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(taping, "AT_THE_END", 0.3)
    recorded.disk.free.clear()
    recorded.hear(1, received(1, "a"))
    began = time.monotonic()
    recorded.taping.close()
    assert 0.3 <= time.monotonic() - began < 2.0 and "its disk does not answer" in caplog.text
    recorded.disk.free.set()
    recorded.taping._thread.join(5)
    assert recorded.ids() == ["a"]


@pytest.mark.parametrize(("place", "hint"), [("no/a.tape", "another place"), ("link.tape", "a new file")])
def test_a_place_that_takes_no_recording_is_a_wrong_option(tmp_path: Path, place: str, hint: str) -> None:
    (tmp_path / "link.tape").symlink_to(tmp_path / "nothing")
    made = TapeWriter(tmp_path / "made.tape")
    made.write(T0, "names", ["celery"])
    made.close()
    player = WholeBroker(open_broker(Profile(broker=f"replay://{tmp_path / 'made.tape'}")))
    with pytest.raises(UsageError, match="cannot be recorded to") as raised:
        RecordingBroker(player, tmp_path / place, Redactor())
    assert hint in raised.value.hint


async def test_a_disk_that_is_full_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    made = TapeWriter(tmp_path / "made.tape")
    made.write(T0, "names", ["celery"])
    made.close()
    player = WholeBroker(open_broker(Profile(broker=f"replay://{tmp_path / 'made.tape'}")))
    recording = RecordingBroker(player, tmp_path / "again.tape", Redactor())
    assert recording.notes[-1] == f"Everything is recorded in {recording.path}."
    disk = Disk(tmp_path / "full.tape")
    recording.tape = Taping(disk, Veil(Redactor()))
    recording.tape._left_out = 1_234
    told = "but for 1,234 events that could not be written in time."
    [notice] = of_recording(recording.status)
    assert notice.title == f"This is recorded in {recording.path}, {told}" and notice.severity == "warning"
    disk.problem = errno.ENOSPC
    recording.tape.events(T0, [received(1, "a")])
    assert wait(lambda: bool(recording.tape.problem))
    [notice] = of_recording(recording.status)
    ended = f"The recording in {recording.path} has ended: No space left on device."
    assert (
        notice.title.startswith(f"{ended} Missing in it too: 1,234 events") and notice.severity == "warning"
    )
    assert not [note for note in recording.notes if str(recording.path) in note]
    recording.tape.events(T0, [received(1, "b")])
    recording.tape.put(T0, "links", StatusChange("connected"))
    assert not recording.tape._waits and recording.status.missing == 1_234, "as when it ended"
    await recording.close()


def test_an_event_that_no_recording_can_hold_is_left_out_alone_and_counted(recorded: Recorded) -> None:
    odd = Event(type="own", uuid="odd", timestamp=T0, received=T0, extra={"number": 2**70})
    recorded.hear(1, received(1, "a"), odd, received(1, "b"))
    recorded.taping.close()
    assert recorded.ids() == ["a", "b"] and recorded.taping.missing == 1


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path: Path) -> None:
    class Small:
        def __init__(self, file: object) -> None:
            self.file = file

        def write(self, data: memoryview) -> int:
            return self.file.write(data[:7])  # type: ignore[attr-defined, no-any-return]

        def close(self) -> None:
            self.file.close()  # type: ignore[attr-defined]

    writer = TapeWriter(tmp_path / "part.tape")
    writer._file = Small(writer._file)  # type: ignore[assignment]
    writer.write(T0, "names", ["celery", "mail"])
    writer.close()
    tape = Tape(tmp_path / "part.tape")
    assert [one.said for one in tape.frames()] == [["celery", "mail"]] and not tape.damage


def test_a_recording_that_nothing_was_said_to_has_no_thread_and_ends(recorded: Recorded) -> None:
    assert not recorded.taping._thread.is_alive()
    recorded.taping.close()
    assert recorded.disk._file.closed


def secret_event(number: int) -> Event:
    return Event(
        uuid=f"u{number}",
        hostname="w1@h",
        timestamp=T0,
        received=T0,
        exception=f"ConnectionError('redis://:{SECRET}@h/{number}')",
        traceback=f"line {number} redis://:{SECRET}@h",
        args=f"({{'password': '{SECRET}'}}, {number})",
        kwargs=f"{{'api_key': '{SECRET}{number}'}}",
        extra={"token": SECRET, "n": number, "of": [{f"password={SECRET}": 1, f"api_key: {SECRET}": "x"}]},
        **dict.fromkeys(WORDS, f"redis://:{SECRET}@h/{number}"),  # type: ignore[arg-type]
    )


def test_no_field_of_an_event_keeps_a_secret_and_nothing_else_is_changed(recorded: Recorded) -> None:
    """Some in a row, so that they are looked at alone and together with others."""
    plain = [received(number, f"t{number}", args=f"({number},)", queue="mail") for number in range(300)]
    recorded.hear(1, *plain[:150], secret_event(1), *plain[150:], secret_event(2))
    recorded.hear(2, secret_event(3))
    recorded.hear(3, *plain)
    recorded.taping.close()
    assert SECRET.encode() not in recorded.path.read_bytes()
    kept = [event for one in recorded.frames() if one.kind == "events" for event in one.said]
    assert [event for event in kept if event.type == "task-received"] == [*plain, *plain]
    spoilt = [event for event in kept if event.type != "task-received"]
    assert [event.uuid for event in spoilt] == ["u1", "u2", "u3"]
    for number, event in enumerate(spoilt, 1):
        assert event.args == f"({{'password': '[redacted]'}}, {number})..."  # So that it looks cut.
        assert {getattr(event, name) for name in WORDS} == {f"redis://:***@h/{number}"}
        inner = {"password=[redacted]": "[redacted]", "api_key: [redacted]": "[redacted]"}
        assert event.extra == {"token": "[redacted]", "n": number, "of": [inner]}
    assert {"type", "name", "queue", "eta", "signum", "sw_sys", "sw_ver", "sw_ident"} <= set(WORDS)


def test_a_type_that_celery_knows_stays_whatever_a_pattern_says(tmp_path: Path) -> None:
    veil = Veil(Redactor(["task-x=.*", "task"]))
    known, own = (
        received(1, "a"),
        Event(type="task: own", uuid="b", hostname="w1@h", timestamp=T0, received=T0),
    )
    first, second = veil.events([known, own])
    assert first.type == "task-received" and second.type == "task: [redacted]"


def test_a_text_field_that_comes_to_events_is_looked_at() -> None:
    """Whoever adds one decides it here."""
    known = {*WORDS, "args", "kwargs", "result", "exception", "traceback", "extra"}
    kept = {"hostname", "uuid", "root_id", "parent_id"}
    texts = {
        field.name
        for field in msgspec.structs.fields(Event)
        if any(kind in str(field.type) for kind in ("str", "dict", "Any"))
    }
    assert texts == known | kept


def test_no_other_word_of_a_source_keeps_a_secret(recorded: Recorded) -> None:
    place = f"amqp://ada:{SECRET}@h/"
    reply = Reply("w1@h", msgspec.Raw(msgspec.msgpack.encode({"broker": place, "password": SECRET})), 0.1)
    recorded.taping.put(T0, "answer", Answer("stats", Replies(1, [reply], True)))
    report = QueueReport(name=place, at=T0, error=place, dead_letter_from=["secret", place], messages=3)
    recorded.taping.put(T0, "depths", [report])
    recorded.taping.put(T0, "names", ["secret", place])
    recorded.taping.put(T0, "links", StatusChange("lost", place, place))
    recorded.taping.close()
    assert SECRET.encode() not in recorded.path.read_bytes()
    answer, depths, names, link = (one.said for one in recorded.frames())
    shown = "amqp://ada:***@h/"
    assert answer.replies.replies[0].value == {"broker": shown, "password": "[redacted]"}
    assert (depths[0].name, depths[0].error, depths[0].messages) == (shown, shown, 3)
    assert depths[0].dead_letter_from == names == ["secret", shown]
    assert (link.state, link.reason, link.hint) == ("lost", shown, shown)
