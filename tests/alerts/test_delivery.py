"""The ways out, with real servers and real processes: what is taken, what is not, and what nobody sees."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lazycelery.alerts import payload
from lazycelery.alerts.choice import Telling
from lazycelery.alerts.courier import AT_ONCE, Courier
from lazycelery.alerts.delivery import deliver, place
from lazycelery.alerts.outbox import MOST, Outbox
from lazycelery.model.alert import AlertTarget
from lazycelery.model.finding import Evidence, Finding
from lazycelery.model.redaction import Redactor
from tests.alerts.endpoint import Endpoint, until
from tests.support.broker import free_port

EVIL = Finding(
    code="failure-spike",
    severity="critical",
    title="shop.charge fails: \x1b[2J\u202e ValueError('password=hunter2') <b>&" + "x" * 2000,
    subject="shop.charge",
    evidence=[Evidence(text="token=abc123secret", source="event", value="password=hunter2")] * 50,
    related=[f"id-{n}" for n in range(500)],
)


def message(*findings: Finding) -> dict[str, Any]:
    redactor = Redactor()
    items = [
        payload.item(Telling(kind="new", case=f"c{n}", finding=each), f"i{n}", 1.0, redactor)
        for n, each in enumerate(findings or (EVIL,))
    ]
    return payload.message("m1", "prod", "redis://db/0", items, 0)


def webhook(endpoint: Endpoint, **more: Any) -> AlertTarget:
    return AlertTarget(name="hook", webhook=endpoint.url, **{"timeout": 2.0, "group": 0.0, **more})


def test_a_message_is_clean_cut_and_without_secrets() -> None:
    told = json.dumps(message(), ensure_ascii=False)
    assert "hunter2" not in told and "abc123secret" not in told
    assert "\x1b" not in told and "\u202e" not in told and len(told) < 20_000
    [item] = message()["items"]
    assert item["related_count"] == 500 and len(item["related"]) == 20 and len(item["evidence"]) == 12


def test_slack_cannot_be_made_to_link_or_mention() -> None:
    links = "[click](http://evil.example) ![](https://evil.example/x.png) www.evil.example redis://db1"
    text = payload.slack(message(Finding(code="x", severity="info", title=links)))["text"]
    assert not any(part in text for part in ("](", "p://", "s://", "www."))
    finding = Finding(code="x", severity="info", title="<!channel> <http://evil|click> & more")
    text = payload.slack(message(finding))["text"]
    assert "<" not in text and "&lt;!channel&gt;" in text and "*prod*" in text
    text = payload.slack(message(Finding(code="x", severity="info", title="@channel celery@web-3")))["text"]
    assert "@channel" not in text and "celery@web-3" in text


def test_a_webhook_is_posted_with_its_authorization_from_the_environment(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = webhook(endpoint, authorization_env="ALERT_TOKEN")
    assert "ALERT_TOKEN holds no" in deliver(target, message()).problem and not endpoint.asked
    monkeypatch.setenv("ALERT_TOKEN", "tok-1")
    assert deliver(target, message()).problem == ""
    monkeypatch.setenv("ALERT_TOKEN", "Basic abc")
    deliver(target, message())
    assert [each["Authorization"] for each in endpoint.headers] == ["Bearer tok-1", "Basic abc"]
    assert endpoint.headers[0]["Idempotency-Key"] == "m1"
    assert (
        endpoint.taken[0]["items"][0]["code"] == "failure-spike"
        and endpoint.taken[0]["broker"] == "redis://db/0"
    )
    monkeypatch.setenv("ALERT_TOKEN", "a\r\nX-Evil: 1")
    assert deliver(target, message()).problem


def test_slack_gets_its_own_form(endpoint: Endpoint) -> None:
    assert not deliver(AlertTarget(name="s", slack=endpoint.url), message()).problem
    assert list(endpoint.taken[0]) == ["text"]


def test_what_goes_wrong_is_told_without_the_url(endpoint: Endpoint) -> None:
    endpoint.answers = [
        (500, {}, 0),
        (429, {"Retry-After": "17"}, 0),
        (422, {}, 0),
        (302, {"Location": "http://127.0.0.1:1/"}, 0),
        (200, {}, 2.0),
    ]
    target = webhook(endpoint, timeout=0.5)
    results = [deliver(target, message()) for _ in range(5)]
    assert [one.problem.partition(",")[0] for one in results[:3]] == [
        "it answered 500",
        "it answered 429",
        "it answered 422",
    ]
    assert results[1].wait == 17.0 and [one.hopeless for one in results[:3]] == [False, False, True]
    assert "redirect, which is not followed" in results[3].problem
    assert results[4].problem == "no answer within 0.5 s"
    down = deliver(AlertTarget(name="x", webhook=f"http://127.0.0.1:{free_port()}/s3cret-path"), message())
    assert "refused" in down.problem
    assert not any(
        "s3cret" in text for text in [place(target), down.problem, *(one.problem for one in results)]
    )


def test_a_redirect_does_not_carry_anything_to_somebody_else(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Endpoint().start()
    monkeypatch.setenv("ALERT_TOKEN", "tok-1")
    try:
        for status in (301, 302, 303, 307, 308):
            endpoint.answers.append((status, {"Location": other.url}, 0))
            assert (
                "redirect" in deliver(webhook(endpoint, authorization_env="ALERT_TOKEN"), message()).problem
            )
        assert other.asked == 0
    finally:
        other.stop()


def test_a_command_gets_json_and_variables_and_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BROKER", "BACKEND", "BEAT", "MANAGEMENT"):
        monkeypatch.setenv(f"LAZYCELERY_{name}", "redis://:hunter2@db/0")
    out = tmp_path / "out"
    code = (
        "import json, os, sys\n"
        "json.dump([json.load(sys.stdin), dict(os.environ), sys.argv], open(sys.argv[1], 'w'))"
    )
    target = AlertTarget(name="c", command=[sys.executable, "-c", code, str(out), "$HOME; `id`"])
    assert deliver(target, message()).problem == ""
    told, environment, argv = json.loads(out.read_text())
    assert told["items"][0]["code"] == "failure-spike" and argv[2] == "$HOME; `id`", "no shell reads it"
    assert environment["LAZYCELERY_ALERT_SEVERITY"] == "critical"
    assert environment["LAZYCELERY_ALERT_CODE"] == "failure-spike"
    assert "hunter2" not in json.dumps(environment)


def test_a_command_that_fails_hangs_or_is_not_there(tmp_path: Path) -> None:
    def run(*command: str) -> str:
        return deliver(AlertTarget(name="c", command=list(command), timeout=1.0), message()).problem

    assert run(sys.executable, "-c", "raise SystemExit(3)") == "the command ended with 3"
    assert run(sys.executable, "-c", "import os; os.close(0)") == "", "one that does not read is fine"
    assert "No such file" in run(str(tmp_path / "nothing"))
    pid = tmp_path / "pid"
    script = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)"
    )
    began = time.monotonic()
    assert "did not end within 1 s" in run(sys.executable, "-c", script)
    assert time.monotonic() - began < 20
    if pid.exists():  # What it began is gone too.
        child = int(pid.read_text() or 0)
        until(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- the outbox and its courier


def item(number: int) -> dict[str, Any]:
    finding = Finding(code="worker-lost", severity="warning", title=f"Number {number}.", subject=f"w{number}")
    return payload.item(Telling(kind="new", case=str(number), finding=finding), f"i{number}", 1.0, Redactor())


def test_the_outbox_is_private_bounded_and_says_what_it_dropped(tmp_path: Path, endpoint: Endpoint) -> None:
    path = tmp_path / "new" / "alerts.sqlite3"
    outbox = Outbox(path)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert outbox.commit({}, [("hook", time.time(), item(n)) for n in range(MOST)]) == 0
    assert outbox.commit({"k": "v"}, [("hook", time.time(), item(MOST + n)) for n in range(3)]) == 3
    assert outbox.counts() == {"hook": MOST} and outbox.known("k") == "v"
    courier = Courier(webhook(endpoint, group=0.1), outbox, "prod", "redis://db/0", print)
    courier.start()
    until(lambda: not outbox.counts())
    courier.stop(5)
    assert endpoint.taken[0]["dropped"] == 3 and "3 older alerts were dropped" in endpoint.taken[0]["text"]
    assert not any(body["dropped"] for body in endpoint.taken[1:])
    assert [one["title"] for one in endpoint.items] == [f"Number {n}." for n in range(3, MOST + 3)], (
        "in order"
    )
    assert len(endpoint.taken) == MOST / AT_ONCE, "no storm"
    outbox.close()


def test_a_commit_is_whole_or_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "a.sqlite3")
    with pytest.raises(TypeError):
        outbox.commit({"k": "v"}, [("hook", 1.0, item(1)), ("hook", 1.0, {"x": object()})])
    assert outbox.known("k") is None and outbox.counts() == {}
    outbox.close()


def test_an_endpoint_that_was_down_gets_everything_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.alerts.courier.BACKOFF", (0.05,) * 6)
    said: list[str] = []
    endpoint = Endpoint()
    outbox = Outbox(tmp_path / "a.sqlite3")
    courier = Courier(webhook(endpoint), outbox, "prod", "redis://db/0", said.append)
    courier.start()
    for n in range(7):
        outbox.commit({}, [("hook", time.time(), item(n))])
        courier.wake()
    until(lambda: said)
    endpoint.answers = [(500, {}, 0), (429, {"Retry-After": "0.2"}, 0)]
    endpoint.start()
    until(lambda: not outbox.counts())
    courier.stop(5)
    endpoint.stop()
    assert [one["title"] for one in endpoint.items] == [f"Number {n}." for n in range(7)]
    assert len(endpoint.taken) == 1, "together, no storm"
    assert len(said) == 2 and "are not delivered" in said[0] and "are taken again (7 delivered)" in said[1]
    assert "s3cret" not in "".join(said)
    outbox.close()


def test_one_that_is_never_taken_does_not_hold_up_the_others(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.alerts.courier.BACKOFF", (0.02,) * 6)
    endpoint.answers = [(422, {}, 0)] * 5
    said: list[str] = []
    outbox = Outbox(tmp_path / "a.sqlite3")
    outbox.commit({}, [("hook", time.time() - 60, item(n)) for n in range(3)])
    courier = Courier(webhook(endpoint, group=1.0), outbox, "prod", "redis://db/0", said.append)
    courier.start()
    until(lambda: not outbox.counts())
    courier.stop(5)
    assert [one["title"] for one in endpoint.items] == ["Number 1.", "Number 2."]
    assert any("was given up: it answered 422" in text for text in said) and endpoint.taken[0]["dropped"] == 1
    outbox.close()


def test_one_refusal_after_an_outage_loses_nothing(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.alerts.courier.BACKOFF", (0.02,) * 6)
    endpoint.answers = [*[(503, {}, 0)] * 6, (422, {}, 0)]
    outbox = Outbox(tmp_path / "a.sqlite3")
    outbox.commit({}, [("hook", time.time() - 60, item(n)) for n in range(3)])
    courier = Courier(webhook(endpoint, group=1.0), outbox, "prod", "redis://db/0", lambda text: None)
    courier.start()
    until(lambda: not outbox.counts())
    courier.stop(5)
    assert [one["title"] for one in endpoint.items] == ["Number 0.", "Number 1.", "Number 2."]
    outbox.close()


def test_a_test_message_is_sent_once(endpoint: Endpoint) -> None:
    from lazycelery.engine.alerting import send_test
    from lazycelery.errors import LazyCeleryError, NothingFound
    from lazycelery.model.profile import Profile

    profile = Profile(name="prod", broker="redis://:hunter2@db/0", alerts=[webhook(endpoint)])
    assert "took the test" in send_test(profile, "hook")
    assert endpoint.items[0]["code"] == "test" and "hunter2" not in json.dumps(endpoint.taken)
    endpoint.always = (503, {}, 0)
    with pytest.raises(LazyCeleryError, match="it answered 503"):
        send_test(profile, "hook")
    with pytest.raises(NothingFound, match="no alerts called nobody"):
        send_test(profile, "nobody")
    assert os.environ["HOME"]
