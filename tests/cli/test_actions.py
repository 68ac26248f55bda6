"""Changing commands: plan, show, ask, act, prove."""

from __future__ import annotations

import io
import sys

import pytest

from lazycelery.errors import NothingFound
from lazycelery.model.action import PlanItem


@pytest.fixture
def answer(monkeypatch):
    """Plays a person at a terminal who types an answer."""

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", Typed(text))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return give


ALLOWED = ("--allow", "retry")


def test_without_the_permission_it_is_refused_with_the_way_to_open_it(engine, run):
    ran = run("retry", "id-0", "--yes")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == "Error: Read-only.\nAdd --allow retry, or put it into allow of the profile.\n"
    assert "act" not in engine.asked


def test_read_only_wins_over_allow(engine, run):
    ran = run("retry", "id-0", "--yes", "--read-only", *ALLOWED)
    assert ran.code == 4
    assert "--read-only" in ran.err


def test_a_dry_run_prints_the_plan_and_does_nothing(engine, run):
    ran = run("retry", "id-0", "--dry-run", *ALLOWED)
    assert ran.code == 0
    assert "Retry 1 task exactly" in ran.out
    assert "exact" in ran.out
    assert "Dry run: nothing was done." in ran.out
    plan = run("retry", "id-0", "--dry-run", "--json", *ALLOWED).json
    assert (plan["count"], plan["items"][0]["grade"]) == (1, "exact")
    assert "act" not in engine.asked


def test_a_dry_run_needs_no_permission(engine, run):
    ran = run("retry", "id-0", "--dry-run")
    assert ran.code == 0
    assert "Retry 1 task exactly" in ran.out
    assert "Dry run: nothing was done. To do it: Add --allow retry" in ran.err
    ran = run("retry", "id-0", "--dry-run", "--json")
    assert (ran.code, ran.json["locked"], ran.json["refused"]) == (0, True, "Read-only.")
    assert "act" not in engine.asked


def test_a_dry_run_of_what_would_be_refused_all_the_same_ends_with_4(engine, run):
    engine.next_plan.refused = "which queue? No source tells where it belongs"
    ran = run("retry", "id-0", "--dry-run", *ALLOWED)
    assert ran.code == 4
    assert "Refused: Which queue?" in ran.err


def test_without_a_terminal_and_yes_it_is_refused(engine, run):
    ran = run("retry", "id-0", *ALLOWED)
    assert (ran.code, ran.out) == (4, "")
    assert "--yes confirms" in ran.err
    assert "act" not in engine.asked


def test_yes_acts_and_shows_the_proof_of_every_worker(engine, run):
    ran = run("retry", "id-0", "--yes", *ALLOWED)
    assert ran.code == 0
    assert "1 sent" in ran.out
    assert "id-9" in ran.out
    assert "w1@a: ok" in ran.out
    assert "Retry 1 task exactly" in ran.err, "the plan is shown, and not on stdout"
    outcome = run("retry", "id-0", "--yes", "--json", *ALLOWED).json
    assert (outcome["done"], outcome["items"][0]["new_id"]) == (1, "id-9")


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("\n", 4), ("n\n", 4), ("", 4)])
def test_on_a_terminal_it_asks_and_enter_means_no(engine, run, answer, typed, code):
    answer(typed)
    ran = run("retry", "id-0", *ALLOWED)
    assert ran.code == code
    assert "retry it? [y/N]" in ran.err
    assert ("act" in engine.asked) == (code == 0)


@pytest.mark.parametrize(("typed", "code"), [("default\n", 0), ("y\n", 4)])
def test_a_dangerous_plan_asks_for_the_word(engine, run, answer, typed, code):
    engine.next_plan.level, engine.next_plan.word = "typed", "default"
    answer(typed)
    assert run("retry", "id-0", *ALLOWED).code == code
    assert engine.asked["act"] == ("p1", typed.strip()), "a wrong word is refused, and logged, by the engine"


def test_the_undo_names_the_same_cluster_and_no_password(engine, run):
    engine.outcome.undo = "lazycelery restore /b --allow restore"
    ran = run("retry", "id-0", "--yes", *ALLOWED)
    assert "Undo: lazycelery restore /b --allow restore --broker redis://db/0\n" in ran.out
    engine.outcome.unknown = 1
    assert "Undo, as far as it was done: lazycelery" in run("retry", "id-0", "--yes", *ALLOWED).out
    engine.outcome.undo = None
    assert "Undo" not in run("retry", "id-0", "--yes", *ALLOWED).out


def test_an_undo_without_the_brokers_password_leaves_the_broker_out_and_says_so(engine, run, monkeypatch):
    overview = engine.overview

    async def redacted():
        shown = await overview()
        shown.broker = "redis://:***@db/0"
        return shown

    monkeypatch.setattr(engine, "overview", redacted)
    engine.outcome.undo = "lazycelery restore /b --allow restore"
    ran = run("retry", "id-0", "--yes", *ALLOWED)
    assert "Undo: lazycelery restore /b --allow restore\n" in ran.out
    assert "needs the same --broker" in ran.err
    told = run("retry", "id-0", "--yes", "--json", *ALLOWED)
    assert "***" not in told.out
    engine.outcome.undo = None
    assert "--broker" not in run("retry", "id-0", "--yes", *ALLOWED).err


def test_no_word_at_all_is_no_attempt(engine, run, answer):
    engine.next_plan.level, engine.next_plan.word = "typed", "default"
    answer("\n")
    assert run("retry", "id-0", *ALLOWED).code == 4
    assert "act" not in engine.asked


@pytest.mark.parametrize(("state", "on"), [("on", True), ("off", False)])
def test_events_are_switched_at_all_workers_or_at_some_to_stay(engine, run, state, on):
    ran = run("worker", "events", state, "--yes", "--allow", "events")
    assert ran.code == 0
    order = engine.asked["order"]
    assert (order.action, order.targets, order.params) == ("events", [], {"on": on, "stay": True})
    run("worker", "events", state, "w1@a", "w2@a", "--dry-run", "--allow", "events")
    assert engine.asked["order"].targets == ["w1@a", "w2@a"]


@pytest.mark.parametrize("args", [["events"], ["events", "maybe"], ["event", "on"]])
def test_worker_takes_events_on_or_off(engine, run, args):
    assert run("worker", *args).code == 2
    assert "order" not in engine.asked


def test_a_group_without_a_command_names_its_commands(run):
    ran = run("worker")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: lazycelery worker needs a command: ") and "rate-limit" in ran.err


@pytest.mark.parametrize("limit", ["0", "1001"])
def test_a_plan_takes_at_most_a_thousand(engine, run, limit):
    assert run("revoke", "state:waiting", "--limit", limit).code == 2


def test_yes_types_the_word(engine, run):
    engine.next_plan.level, engine.next_plan.word = "typed", "default"
    assert run("retry", "id-0", "--yes", *ALLOWED).code == 0
    assert engine.asked["act"] == ("p1", "default")


def test_done_in_part_ends_with_5(engine, run):
    engine.outcome.failed = 1
    assert run("retry", "id-0", "--yes", *ALLOWED).code == 5


def test_targets_that_are_left_out_end_with_5(engine, run):
    engine.next_plan.items.append(
        PlanItem(target="id-1", text="x", grade="unsafe", refused="only a cut text")
    )
    ran = run("retry", "id-0", "id-1", "--yes", *ALLOWED)
    assert ran.code == 5
    assert "only a cut text" in ran.err


def test_nothing_matched_ends_with_1(engine, run, monkeypatch):
    async def plan(order):
        raise NothingFound("No known task matches 'state:failure'.")

    monkeypatch.setattr(engine, "plan", plan)
    assert run("retry", "state:failure", "--yes", *ALLOWED).code == 1


@pytest.mark.parametrize(
    ("args", "targets", "filter"),
    [
        (["a", "b"], ["a", "b"], None),
        (["state:failure", "since:1h"], [], "state:failure since:1h"),
        (["--filter", "boom"], [], "boom"),
    ],
)
def test_targets_are_ids_or_a_filter(engine, run, args, targets, filter):
    run("revoke", *args, "--dry-run", "--limit", "7")
    order = engine.asked["order"]
    assert (order.action, order.targets, order.filter, order.limit) == ("revoke", targets, filter, 7)


@pytest.mark.parametrize("args", [[], ["id-0", "--filter", "x"]])
def test_targets_must_be_clear(engine, run, args):
    assert run("revoke", *args).code == 2
    assert "order" not in engine.asked


def test_each_command_gives_its_own_parameters(engine, run, tmp_path):
    backup = tmp_path / "low.backup"
    backup.write_text("")
    orders = {}
    for args in (
        ["retry", "a", "--queue", "low", "--without-canvas", "--force"],
        ["revoke", "a", "--force"],
        ["terminate", "a", "--signal", "kill"],
        ["purge", "low", "--backup", str(backup)],
        ["restore", str(backup), "--queue", "high"],
    ):
        run(*args, "--dry-run")
        orders[args[0]] = engine.asked["order"]
    assert orders["retry"].params == {"queue": "low", "keep_canvas": False, "force": True}
    assert orders["revoke"].params == {"force": True}
    assert orders["terminate"].params == {"signal": "SIGKILL"}
    assert (orders["purge"].targets, orders["purge"].params) == (["low"], {"backup": str(backup)})
    assert (orders["restore"].targets, orders["restore"].params) == ([str(backup)], {"queue": "high"})


def test_a_backup_that_is_not_there_is_wrong_usage(engine, run):
    assert run("restore", "/nowhere/low.backup").code == 2
