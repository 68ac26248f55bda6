"""`lazycelery worker …`: what the words become, what is shown, and how it ends."""

from __future__ import annotations

import pytest

ALL = ("--yes", "--allow", "all")


@pytest.mark.parametrize(
    ("words", "action", "targets", "params"),
    [
        ("pool grow 2 w1 w2", "pool", ["w1", "w2"], {"do": "grow", "n": 2}),
        ("autoscale 8 2 w1", "pool", ["w1"], {"do": "autoscale", "max": 8, "min": 2}),
        ("restart w1", "pool", ["w1"], {"do": "restart"}),
        ("shutdown w1", "shutdown", ["w1"], {}),
        ("consume mail w1", "consumers", ["mail"], {"do": "add", "workers": ["w1"]}),
        ("cancel mail w1", "consumers", ["mail"], {"do": "cancel", "workers": ["w1"]}),
        ("hold mail", "consumers", ["mail"], {"do": "hold", "workers": []}),
        ("resume mail --forget", "consumers", ["mail"], {"do": "resume", "workers": [], "forget": True}),
        ("rate-limit shop.add 5/s", "limits", [], {"do": "rate", "task": "shop.add", "rate": "5/s"}),
        ("time-limit t w1 --hard 9", "limits", ["w1"], {"do": "time", "task": "t", "hard": "9"}),
        ("service stop w1", "service", ["w1"], {"do": "stop"}),
        ("events off", "events", [], {"on": False, "stay": True}),
    ],
)
def test_what_is_typed_becomes_an_order(engine, run, words, action, targets, params):
    engine.next_plan.action = engine.outcome.action = action
    assert run("worker", *words.split(), *ALL).code == 0
    order = engine.asked["order"]
    assert (order.action, order.targets, order.params) == (action, targets, params)
    assert "act" in engine.asked


@pytest.mark.parametrize(
    ("words", "action"),
    [
        ("pool grow 2 w1", "pool"),
        ("shutdown w1", "shutdown"),
        ("hold mail", "consumers"),
        ("rate-limit t 1/s", "limits"),
        ("service stop w1", "service"),
    ],
)
def test_each_refusal_ends_with_4_and_does_nothing(engine, run, words, action):
    engine.next_plan.action = action
    read_only = run("worker", *words.split(), "--yes")
    assert (read_only.code, read_only.out) == (4, "") and f"Add --allow {action}" in read_only.err
    assert run("worker", *words.split(), "--yes", "--allow", "retry").code == 4
    engine.next_plan.refused, engine.next_plan.level, engine.next_plan.word = None, "typed", "the-word"
    assert run("worker", *words.split(), "--allow", "all").code == 4, "nobody confirmed it"
    assert "act" not in engine.asked


@pytest.mark.parametrize(
    "words",
    ["pool grow 0 w1", "pool grow two w1", "pool grow 2", "shutdown", "restart", "autoscale 2 1"],
)
def test_wrong_usage_ends_with_2(run, words):
    assert run("worker", *words.split(), *ALL).code == 2


def test_a_ping_shows_times_and_ends_with_1_when_one_is_silent(engine, run):
    ran = run("worker", "ping")
    assert ran.code == 0 and "4.0 ms" in ran.out and "67 MB" in ran.out and "811" in ran.out
    assert run("worker", "ping", "--json").json[0]["clock"] == 7
    engine.pulses[0].ping, engine.pulses[0].why = None, "no answer"
    ran = run("worker", "ping", "w1")
    assert ran.code == 1 and "no answer" in ran.out and engine.asked["pulse"] == ["w1"]


def test_a_log_is_printed_harmless(engine, run):
    ran = run("worker", "logs", "w1")
    assert ran.code == 0 and ran.out.startswith("ready ") and "\x1b" not in ran.out
    assert "It has ended with 0." in ran.err and engine.started is False


# ---- send


def test_a_task_is_sent_as_it_was_written(engine, run):
    engine.next_plan.action = engine.outcome.action = "send"
    words = ("send", "shop.add", "--args", "[1]", "--kwargs", '{"a": null}', "--queue", "q", "--eta", "5")
    assert run(*words, *ALL).code == 0
    order = engine.asked["order"]
    assert (order.action, order.targets) == ("send", ["shop.add"])
    assert order.params == {"queue": "q", "eta": "5", "args": [1], "kwargs": {"a": None}}
    assert run("send", "shop.add", "--args", "1,", *ALL).code == 2
    assert run(*words, "--yes").code == 4


def test_an_old_task_is_edited_before_it_is_sent(engine, run, tmp_path, monkeypatch):
    engine.next_plan.action = engine.outcome.action = "send"
    engine.all_tasks[0].args, engine.all_tasks[0].kwargs = [42], {}
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/42/43/ "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    assert run("send", "shop.charge", "--from", "id-0", *ALL).code == 0
    order = engine.asked["order"]
    assert order.targets == ["shop.charge"] and order.params == {
        "args": [43],
        "kwargs": {},
        "retry_of": "id-0",
    }
    editor.write_text("#!/bin/sh\nexit 0\n")
    engine.asked.clear()
    assert run("send", "shop.charge", "--from", "id-0", *ALL).code == 4, "it was not saved"
    assert "act" not in engine.asked


def test_stamps_take_neither_ids_nor_a_filter(engine, run):
    engine.next_plan.action = engine.outcome.action = "revoke"
    assert run("revoke", "--stamp", "tenant=acme", "--stamp", "tenant=b=c", *ALL).code == 0
    order = engine.asked["order"]
    assert (order.targets, order.params) == ([], {"stamps": {"tenant": ["acme", "b=c"]}})
