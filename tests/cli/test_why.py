"""`lazycelery why`."""

from __future__ import annotations

from lazycelery.errors import NothingFound
from lazycelery.model.finding import Evidence
from lazycelery.model.verdict import Verdict
from tests.cli.fake_engine import EVIL, NOW


def test_one_sentence_with_its_facts(engine, run, monkeypatch):
    async def why(target):
        return Verdict(
            kind="task",
            subject=target,
            state="waiting",
            text=f"Waits in {EVIL}.",
            until=NOW,
            evidence=[Evidence(text="3 messages", source="broker", value=3)],
            findings=["worker-saturated"],
        )

    monkeypatch.setattr(engine, "why", why, raising=False)
    done = run("why", "9f3c21ab")
    assert done.code == 0 and "Waits in" in done.out and "\x1b" not in done.out
    assert "- 3 messages (broker)" in done.out and "worker-saturated" in done.out
    assert run("why", "9f3c21ab", "--json").json["until"] == NOW


def test_what_nobody_saw(engine, run, monkeypatch):
    async def why(target):
        raise NothingFound(f"Never seen: {target}.", "Look elsewhere.")

    monkeypatch.setattr(engine, "why", why, raising=False)
    done = run("why", "nothing")
    assert (done.code, done.out) == (1, "")
    assert "Never seen" in done.err
