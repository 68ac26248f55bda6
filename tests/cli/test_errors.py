"""`lazycelery errors` and `lazycelery mark`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lazycelery.engine.memory import files_of
from lazycelery.model.faults import Difference, ErrorDetail, ErrorGroup, HeatMap, Mark, Share
from lazycelery.model.profile import Profile
from tests.cli.conftest import Ran
from tests.cli.fake_engine import EVIL, NOW, FakeEngine

Run = Callable[..., Ran]
GROUP = ErrorGroup(
    id="3fa91b22c0",
    type="ValueError",
    message="card declined for order <n>",
    place="shop/gateway.py in charge",
    count=1204,
    failed=1200,
    retrying=4,
    rate=2.0,
    first=NOW - 7200,
    last=NOW - 4,
    new=True,
    tasks=[Share(value="shop.charge", count=1000), Share(value="shop.pay", count=204)],
    workers=[Share(value="w1@a", count=1204)],
    history=[0, 0, 1, 4],
    sample="id-1",
)


@pytest.fixture
def filled(engine: FakeEngine) -> FakeEngine:
    engine.error_page.groups = [GROUP, ErrorGroup(id="00aa00aa00", type="", message=EVIL, count=1)]
    engine.error_page.matched, engine.error_page.failures = 30, 2000
    engine.error_page.since = NOW - 9000
    engine.error_page.mark = Mark(at=NOW - 8000, name="release 1.4")
    return engine


def test_groups_in_a_table_and_what_the_numbers_mean(filled: FakeEngine, run: Run) -> None:
    ran = run("errors", "name:shop.*", "-queue:low", "--since", "2h", "--sort", "last", "--new")
    assert ran.code == 0
    row = ran.out.splitlines()[1]
    for part in (
        "3fa91b22c0",
        "1,204",
        "2.0/s",
        "new",
        "ValueError: card declined",
        "shop.charge +1",
        "w1@a",
    ):
        assert part in row
    assert "\x1b" not in ran.out and "\u202e" not in ran.out
    assert "Showing 2 of 30 groups." in ran.err and "'release 1.4'" in ran.err
    asked = filled.asked["errors"]
    assert (asked.since, asked.sort, asked.new) == ("2h", "last", True)
    assert set(asked.filter.split()) == {"name:shop.*", "-queue:low"}


def test_json_is_the_page(filled: FakeEngine, run: Run) -> None:
    told = run("errors", "--json").json
    assert told["groups"][0]["id"] == "3fa91b22c0" and told["mark"]["name"] == "release 1.4"
    assert told["groups"][1]["first"] is None


def test_nothing_fails_and_nothing_is_new(engine: FakeEngine, run: Run) -> None:
    ran = run("errors", "--new")
    assert ran.code == 1 and "No mark is set" in ran.err and "lazycelery mark NAME" in ran.err
    assert "No failure is known." in run("errors").err


def test_what_was_before_the_watch_is_not_called_new(filled: FakeEngine, run: Run) -> None:
    filled.error_page.since = NOW - 10
    assert "what is new cannot be told" in run("errors").err


def test_one_group_tells_what_its_tasks_share(filled: FakeEngine, run: Run) -> None:
    def shares(*texts: str) -> list[Share]:
        return [Share(value=text, count=1) for text in texts]

    hours = [Share(value=str(int(NOW // 3600 * 3600)), count=9)]
    filled.error_detail = ErrorDetail(
        group=GROUP,
        looked_at=1000,
        differences=[
            Difference(field="worker", same=True, values=[Share(value="w1@a", count=9)], distinct=1, known=9),
            Difference(field="args.0", same=False, values=[Share(value=EVIL, count=3)], distinct=7, known=9),
            Difference(field="args.1", same=False, values=shares("a", "b"), distinct=9, known=9),
            Difference(field="hour", same=True, values=hours, distinct=1, known=9),
        ],
    )
    ran = run("errors", "--group", "3fa91b22c0")
    assert "1,204 tasks (1,200 failed, 4 wait for a retry)" in ran.out and "\x1b" not in ran.out
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["worker", "same", "w1@a"] in lines
    assert ["args.1", "9", "another", "one", "each", "time"] in lines
    assert any(line[:2] == ["args.0", "7"] and line[-2:] == ["6", "more"] for line in lines if line)
    assert "error_group:3fa91b22c0" in ran.err
    assert json.loads(run("errors", "--group", "3f", "--json").out)["looked_at"] == 1000


def test_heat_in_a_table(filled: FakeEngine, run: Run) -> None:
    filled.hot = HeatMap(
        by="worker", rows=["shop.charge"], columns=["w1@a", "w2@a"], failed=[[3, 0]], ended=[[4, 9]]
    )
    ran = run("errors", "--heat", "worker", "--since", "1h")
    assert ran.out.splitlines()[1].split() == ["shop.charge", "3", "75%", "0"]
    assert filled.asked["heat"] == ("worker", "", "1h")
    filled.hot = HeatMap(by="hour", rows=["a"], columns=[str(NOW)], failed=[[3]], ended=[[0]])
    assert run("errors", "--heat", "hour").code == 0


def test_a_mark_is_kept_beside_the_history_for_all_sessions(run: Run) -> None:
    assert run("mark").code == 1
    ran = run("mark", "release", "1.4\x1b[2J")
    assert ran.code == 0 and "Marked 'release 1.4" in ran.out and "\x1b" not in ran.out
    file = files_of(Profile(broker="redis://db/0")).directory / "marks.ndjson"
    assert file.stat().st_mode & 0o077 == 0 and file.stat().st_mode & 0o600 == 0o600
    file.write_text(file.read_text() + "no json\n")
    listed = run("mark", "--json").json
    assert [one["name"][:11] for one in listed] == ["release 1.4"] and listed[0]["by"] == "person"
    assert "release 1.4" in run("mark").out


def test_without_history_a_mark_says_why_it_cannot_be(run: Run, tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "c.toml"
    file.write_text('[profiles.x]\nbroker = "redis://db/0"\nhistory = false\n')
    ran = run("--config", str(file), "-p", "x", "mark", "r1", broker=False)
    assert ran.code == 2 and "history = false" in ran.err
