"""Failures that are the same but for ids, numbers and names."""

# ruff: noqa: E501 - messages as they are

from __future__ import annotations

import time
from typing import Any

import pytest

from lazycelery.errors import UsageError
from lazycelery.model.faults import ErrorGroup, ErrorPage, ErrorQuery
from lazycelery.model.frames import own_frame
from lazycelery.model.redaction import Redactor
from lazycelery.model.states import State
from lazycelery.model.task import Dealt
from lazycelery.store.faults import kinds
from lazycelery.store.faults.fault import NO_TEXT, Fault, Reader
from lazycelery.store.faults.normal import masked, told
from lazycelery.store.store import Store
from tests.store.build import T0, event, received, started, succeeded

URLLIB = (
    "ConnectionError(MaxRetryError(\"HTTPSConnectionPool(host='{host}', port=443): Max retries exceeded with "
    "url: /v1/orders/{n} (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x{n}7f>"
    ": Failed to establish a new connection: [Errno 111] Connection refused'))\"))"
)
LIBRARY = '  File "/usr/lib/python3.11/site-packages/requests/api.py", line 59, in get\n    return session.request()\n'


def traceback(error: str, *frames: tuple[str, int, str, str], library: str = LIBRARY) -> str:
    """`frames`: path, line, function, code; the library's come last."""
    own = "".join(
        f'  File "{path}", line {line}, in {what}\n    {code}\n' for path, line, what, code in frames
    )
    head = '  File "/srv/venv/lib/python3.11/site-packages/celery/app/trace.py", line 453, in trace_task\n'
    return f"Traceback (most recent call last):\n{head}    R = retval = fun(*args, **kwargs)\n{own}{library}{error}"


def test_the_demo_is_an_application_although_it_is_installed():
    found = own_frame(
        traceback("E()", ("/v/lib/python3.11/site-packages/lazycelery/demo/shop.py", 9, "ship", "go()"))
    )
    assert found is not None and found.place == "demo/shop.py in ship"
    other = own_frame(
        traceback("E()", ("/v/lib/python3.11/site-packages/lazycelery/tui/app.py", 9, "f", "go()"))
    )
    assert other is None


CHARGE = ("/srv/shop/tasks.py", 88, "charge", "return gateway.charge(order)")


def test_the_same_but_for_ids_and_numbers() -> None:
    for one, other, kept in [
        (
            "ValueError('card declined for order 4711')",
            "ValueError('card declined for order 9')",
            "order <n>",
        ),
        ("KeyError('user_42')", "KeyError('user_7')", "<key>"),
        (
            'UniqueViolation(\'duplicate key value violates unique constraint "orders_pkey"\\nDETAIL:  Key '
            "(id)=(4711) already exists.\\n')",
            'UniqueViolation(\'duplicate key value violates unique constraint "orders_pkey"\\nDETAIL:  Key '
            "(id)=(abc-7) already exists.\\n')",
            '"orders_pkey" DETAIL: Key (id)=(<value>)',
        ),
        (URLLIB.format(host="api1.example.com", n=7), URLLIB.format(host="10.0.0.7", n=123), "[Errno 111]"),
        (
            'OperationalError(\'connection to server at "10.0.0.7", port 5432 failed: FATAL:  password '
            'authentication failed for user "bob"\\n\')',
            'OperationalError(\'connection to server at "db2", port 5433 failed: FATAL:  password '
            'authentication failed for user "ada"\\n\')',
            "password authentication failed for user",
        ),
        (
            "IntegrityError(1062, \"Duplicate entry 'bob@x.de' for key 'users.email_uniq'\")",
            "IntegrityError(1062, \"Duplicate entry 'ada@y.org' for key 'users.email_uniq'\")",
            "'users.email_uniq'",
        ),
        (
            "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')",
            "JSONDecodeError('Expecting value: line 12 column 7 (char 812)')",
            "Expecting value",
        ),
        (
            'MaxRetriesExceededError("Can\'t retry shop.x[9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d] args:(1,) {}")',
            "MaxRetriesExceededError(\"Can't retry shop.x[1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed] args:(2, 'a') {}\")",
            "shop.x[<uuid>]",
        ),
        (
            "FileNotFoundError(2, 'No such file or directory: /srv/data/2026/a.csv')",
            "FileNotFoundError(2, 'No such file or directory: /srv/data/2027/b.csv')",
            "No such file or directory: <path>",
        ),
        (
            "HTTPError('404 Client Error: Not Found for url: https://api/x/1?a=b')",
            "HTTPError('404 Client Error: Not Found for url: https://api/y/2')",
            "Not Found for url: <url>",
        ),
        (
            r"RuntimeError('\x1b[31mred\x1b[0m [bold]7[/bold]')",
            r"RuntimeError('\x1b[1;32mred\x1b[0m [bold]8[/bold]')",
            "red [bold]<n>[/bold]",
        ),
        ("Timeout('at 2026-11-26T00:10:00Z')", "Timeout('at 2025-01-02 03:04:05.123')", "at <time>"),
        ("E('token a1b2c3d4e5f6 for bob@x.de')", "E('token ffeedd00112233 for a.b@y.org')", "for <email>"),
    ]:
        first, second = masked(told(one)), masked(told(other))
        assert first == second, (first, second)
        assert kept in first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AttributeError(\"'NoneType' object has no attribute 'email'\")", "AttributeError(\"'NoneType' object has no attribute 'name'\")"),
        ("DoesNotExist('Order matching query does not exist.')", "DoesNotExist('User matching query does not exist.')"),
        (
            "ClientError('An error occurred (NoSuchKey) when calling the GetObject operation: gone')",
            "ClientError('An error occurred (AccessDenied) when calling the GetObject operation: gone')",
        ),
        ("OSError('[Errno 28] No space left')", "OSError('[Errno 13] No space left')"),
        ("ConnectionError(111, 'no way')", "ConnectionError(113, 'no way')"),
        ("NotRegistered('shop.gone')", "NotRegistered('shop.lost')"),
        ('E(\'relation "orders" does not exist\')', 'E(\'relation "users" does not exist\')'),
    ],
)  # fmt: skip
def test_names_of_code_and_kinds_stay(one: str, other: str) -> None:
    assert masked(told(one)) != masked(told(other))


@pytest.mark.parametrize(
    ("error", "type", "message"),
    [
        ("SoftTimeLimitExceeded()", "SoftTimeLimitExceeded", ""),
        ("shop.gateway.Timeout('8 s')", "Timeout", "<n> s"),
        ("ValueError('cut in the mid", "ValueError", "cut in the mid"),
        ("GatewayError: no answer in 3 s", "GatewayError", "no answer in <n> s"),
        ("<HttpError 404 when requesting https://x/1>", "HttpError", "<n> when requesting <url>"),
        ("out of luck 7", "", "out of luck <n>"),
        ("UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'invalid start byte')", "UnicodeDecodeError", None),
        ("ValidationError({'email': ['Enter a valid email address.']})", "ValidationError", None),
    ],
)
def test_every_shape_of_an_error_is_read(error: str, type: str, message: str | None) -> None:
    assert told(error).type == type
    if message is not None:
        assert masked(told(error)) == message


def test_numbers_of_the_system_are_told_as_python_tells_them_whatever_was_read_before() -> None:
    reader = Reader()
    for number in (113, 111, 104):
        fault = reader.read(f"ConnectionRefusedError({number}, 'refused by smtp-{number}.internal')", None)
        assert fault.message == f"[Errno {number}] refused by smtp-<n>.internal"
    assert reader.read(r"E('\x1b[31mred\x1b[0m, 7')", None).message == "red, <n>"


def test_hostile_texts_are_harmless_and_quick() -> None:
    for text in (
        "a." * 4000,
        "'" * 4000,
        "/" * 4000,
        "1a" * 4000,
        "(" * 4000,
        "a=" * 4000,
        "E(" * 2000,
        "a@" * 3000,
    ):
        began = time.process_time()
        masked(told(text))
        assert time.process_time() - began < 0.1, text[:10]
    nasty = masked(told("ValueError('\x1b[2J\u202e[/x] \x07')"))
    assert nasty.isprintable() and "\x1b" not in nasty and "\u202e" not in nasty


def test_the_innermost_frame_of_the_application_is_found() -> None:
    text = traceback("E: x", CHARGE, ("/srv/shop/gateway.py", 31, "send", "requests.get(url)"))
    frame = own_frame(text)
    assert (
        frame is not None and frame.place == "shop/gateway.py in send" and frame.code == "requests.get(url)"
    )
    assert own_frame(traceback("E: x")) is None
    assert own_frame("no traceback") is None


def test_a_release_in_its_own_folder_moves_no_error() -> None:
    for folder in ("/srv/releases/20261125120000", "/srv/releases/8f14e45fceea"):
        frame = own_frame(traceback("E", (f"{folder}/tasks.py", 9, "charge", "x()")))
        assert frame is not None and frame.place == "tasks.py in charge"


def test_a_retry_is_traced_to_its_cause() -> None:
    cause = traceback("Timeout: 8 s\n", CHARGE, ("/srv/shop/gateway.py", 31, "send", "socket.recv()"))
    again = traceback("Retry", ("/srv/shop/tasks.py", 90, "charge", "raise self.retry(exc=error)"))
    frame = own_frame(
        f"{cause}\nThe above exception was the direct cause of the following exception:\n\n{again}"
    )
    assert frame is not None and frame.place == "shop/gateway.py in send"


def read(error: str, *frames: tuple[str, int, str, str], library: str = LIBRARY) -> Fault:
    return Reader(Redactor().text).read(error, traceback(error, *frames, library=library))


def test_the_code_that_raises_says_what_is_the_same() -> None:
    code = 'raise GatewayTimeout(f"{supplier} does not answer")'
    one, other = (
        read(f"GatewayTimeout('{name} does not answer')", ("/a/b.py", line, "ask", code), library="")
        for name, line in (("acme", 7), ("globex", 19))
    )
    assert one.id == other.id
    elsewhere = read("GatewayTimeout('acme does not answer')", ("/a/c.py", 7, "ask", code), library="")
    assert elsewhere.id != one.id


def test_a_key_that_the_code_names_tells_errors_apart() -> None:
    named = [read(f"KeyError('{key}')", ("/a/b.py", 7, "f", f'x["{key}"]'), library="") for key in ("a", "b")]
    looked_up = [read(f"KeyError('{key}')", ("/a/b.py", 7, "f", "x[key]"), library="") for key in ("a", "b")]
    assert named[0].id != named[1].id and named[0].message == "a"
    assert looked_up[0].id == looked_up[1].id


def test_secrets_are_taken_out_and_what_history_kept_is_the_same_group() -> None:
    hide = Redactor().text
    error = "LoginError('denied for password=hunter2')"
    live, kept = (Reader(hide).read(text, None) for text in (error, hide(error)))
    assert live.id == kept.id and "hunter2" not in live.message


def test_a_group_is_the_same_whatever_was_read_before() -> None:
    errors = [f"E('x{n} at 10.0.0.{n}, [Errno {n}]')" for n in range(30)] + [
        "KeyError('a1')",
        "KeyError('a2')",
    ]
    at_once = Reader()
    assert [at_once.read(one, None).id for one in errors] == [Reader().read(one, None).id for one in errors]
    backwards = Reader()
    assert [backwards.read(one, None).id for one in errors[::-1]] == [
        at_once.read(one, None).id for one in errors[::-1]
    ]


# ---- groups


def fails(store: Store, n: int, error: str, at: float = 0.0, kind: str = "failed", **told: Any) -> str:
    uuid, worker = f"t{n}", told.pop("worker", "w1@h")
    trace = told.pop("traceback", None)
    fields = {"name": "shop.charge", "args": f"({n}, 'EUR')", "kwargs": "{}", **told}
    store.apply_events(
        [
            received(at, uuid, worker=worker, **fields),
            started(at + 0.1, uuid, worker),
            event(kind, at + 0.2, uuid, worker, exception=error, traceback=trace),
        ]
    )
    return uuid


def run(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def page(store: Store, filter: str = "", now: float = 100.0) -> ErrorPage:
    found: ErrorPage = run(store.errors.page(_query(filter), None, T0 + now))
    found.groups.sort(key=lambda group: -group.count)
    return found


def _query(filter: str) -> ErrorQuery:
    return ErrorQuery(filter=filter)


def filled() -> Store:
    store = Store(1000)
    for n in range(6):
        fails(store, n, f"ValueError('card declined for order {n}')", at=n, worker=f"w{n % 2}@h")
    for n in range(6, 9):
        fails(store, n, f"KeyError('user_{n}')", at=n, name="shop.mail")
    fails(store, 9, "ValueError('card declined for order 9')", at=9, kind="retried")
    store.apply_events([received(10, "ok"), started(10, "ok"), succeeded(11, "ok")])
    return store


def test_groups_tell_counts_times_and_who() -> None:
    found = page(filled())
    assert [(one.type, one.count) for one in found.groups] == [("ValueError", 7), ("KeyError", 3)]
    one: ErrorGroup = found.groups[0]
    assert (one.failed, one.retrying, one.sample) == (6, 1, "t9")
    assert one.first == pytest.approx(T0 + 0.2) and one.last == pytest.approx(T0 + 9.2)
    assert [(each.value, each.count) for each in one.workers] == [("w1@h", 4), ("w0@h", 3)]
    assert one.tasks[0].value == "shop.charge" and sum(one.history) == 7
    assert found.failures == 10 and found.since == pytest.approx(T0 + 0.01)


def test_what_was_dealt_with_is_counted_and_what_failed_again_since_is_not() -> None:
    store = filled()
    store.note_dealt({id: Dealt(at=T0 + 6.5, by="ada@ops1") for id in ("t1", "t2", "t9", "t5000")})
    counted = {one.type: one.dealt for one in page(store).groups}
    assert sum(counted.values()) == 2, "t9 failed after it was ticked off"


def test_what_a_worker_keeps_for_its_next_try_is_still_of_the_group_until_it_runs() -> None:
    store = Store(1000)
    for number in (1, 2):
        fails(store, number, "E('down')", at=1, kind="retried")
        store.apply_events([received(2, f"t{number}", retries=1, eta="2099-01-01T00:00:00+00:00")])
    assert store.task("t1", T0 + 3).state == "scheduled"
    [one] = page(store).groups
    assert (one.count, one.failed, one.retrying) == (2, 0, 2)
    store.apply_events([started(3, "t1")])
    assert page(store).groups[0].count == 1
    assert store.select("error_group:* state:retry,scheduled", 10, T0 + 4) == ["t2"]
    store.apply_events([received(5, "plain", eta="2099-01-01T00:00:00+00:00")])
    assert page(store).groups[0].count == 1


def test_a_success_after_a_retry_leaves_the_group_and_its_first_time_stays() -> None:
    store = Store(1000)
    fails(store, 1, "E('1')", at=1, kind="retried")
    fails(store, 2, "E('2')", at=50)
    first = page(store).groups[0].first
    store.apply_events([received(60, "t1", retries=1), started(61, "t1"), succeeded(62, "t1")])
    [one] = page(store).groups
    assert one.count == 1 and one.first == first


def test_the_filter_knows_a_group_and_negates_it() -> None:
    store = filled()
    value, key = page(store).groups
    assert set(store.select(f"error_group:{value.id}", 100, T0)) == {f"t{n}" for n in (*range(6), 9)}
    assert set(store.select(f"error_group:{key.id[:6]}", 100, T0)) == {"t6", "t7", "t8"}
    others = store.select(f"-error_group:{value.id} state:failure", 100, T0)
    assert set(others) == {"t6", "t7", "t8"}
    fails(store, 20, "KeyError('user_20')", at=20)
    assert "t20" in store.select(f"error_group:{key.id}", 100, T0)
    assert [one.count for one in page(store, "name:shop.mail").groups] == [3]
    with pytest.raises(UsageError):
        page(store, "nme:x")


def test_a_group_is_offered_with_what_it_says() -> None:
    store = filled()
    groups = {group.id: group for group in page(store).groups}
    offered = store.complete("error_group:", len("error_group:"))
    assert {one.text for one in offered} == set(groups)
    assert any("card declined" in one.note for one in offered)


def test_an_error_that_changes_changes_its_group() -> None:
    store = Store(1000)
    fails(store, 1, "ValueError('a')", at=1, kind="retried")
    [before] = page(store).groups
    store.apply_events([started(5, "t1"), event("failed", 6, "t1", exception="KeyError('b')")])
    [after] = page(store).groups
    assert before.id != after.id and after.type == "KeyError"
    assert store.select(f"error_group:{before.id}", 10, T0) == []


def test_a_failure_without_a_text_is_told_as_such() -> None:
    store = Store(100)
    store.apply_events([received(1), started(2), event("failed", 3)])
    assert page(store).groups[0].message == NO_TEXT


def test_what_a_group_has_in_common() -> None:
    store = filled()
    group = page(store).groups[0]
    hidden: list[str] = []

    def hide(path: str, value: Any) -> Any:
        hidden.append(path)
        return value

    detail = run(store.errors.detail(group.id, "", T0 + 100, hide))
    told = {one.field: one for one in detail.differences}
    assert told["task"].same and told["args.1"].same and told["args.1"].values[0].value == "EUR"
    assert not told["args.0"].same and told["args.0"].distinct == 7
    assert not told["worker"].same and told["worker"].values[0].count == 4
    assert set(store.select(f"error_group:{group.id} {told['worker'].filter}", 99, T0)) == {
        "t1",
        "t3",
        "t5",
        "t9",
    }
    assert store.select(told["args.0"].filter, 99, T0)
    assert {"args.0", "args.1"} <= set(hidden)
    assert [one.same for one in detail.differences] == sorted(
        (one.same for one in detail.differences), reverse=True
    )
    assert run(store.errors.detail("0000000000", "", T0, hide)) is None


def test_heat_by_worker_and_by_hour() -> None:
    store = filled()
    fails(store, 30, "E('late')", at=7300, name="shop.mail", worker="w2@h")
    hot = run(store.errors.heat("worker", "", None, T0 + 7400))
    assert hot.rows == ["shop.charge", "shop.mail"] and set(hot.columns) == {"w0@h", "w1@h", "w2@h"}
    cell = {
        (row, column): hot.failed[y][x]
        for y, row in enumerate(hot.rows)
        for x, column in enumerate(hot.columns)
    }
    assert cell["shop.charge", "w1@h"] == 4 and cell["shop.charge", "w0@h"] == 3
    assert cell["shop.mail", "w2@h"] == 1 and cell["shop.mail", "w0@h"] == 0
    hours = run(store.errors.heat("hour", "", None, T0 + 7400))
    assert len(hours.columns) == 3 and sum(map(sum, hours.failed)) == 11
    for wrong, ended in zip(hours.failed, hours.ended, strict=True):
        assert all(one <= whole for one, whole in zip(wrong, ended, strict=True))
    assert run(Store(10).errors.heat("hour", "", None, T0)).rows == []


def test_a_hundred_thousand_failures_hold_nobody_up() -> None:
    """Bounded work, in slices; the machine may be busy, so that processor time is what counts."""
    store = Store(110_000)
    for start in range(0, 100_000, 1000):
        for n in range(start, start + 1000):
            slot = store.columns.add(f"t{n}", T0 + n / 100)
            store.columns.error[slot] = f"ValueError('order {n} of customer {n * 7} was declined [{n % 40}]')"
            store.columns.traceback[slot] = traceback("ValueError: x", CHARGE)
            store.columns.name[slot] = store.columns.names.code(f"shop.{n % 50}")
            store.columns.set_state(slot, State.FAILURE, T0 + n / 100)
            store.columns.touch(slot)
    slices: list[float] = []
    steps = store.errors.page(_query(""), None, T0 + 2000)
    began = time.process_time()
    while True:
        before = time.process_time()
        try:
            next(steps)
        except StopIteration as end:
            assert end.value.failures == 100_000 and len(end.value.groups) == 1
            break
        slices.append(time.process_time() - before)
    assert time.process_time() - began < 10
    assert sorted(slices)[int(len(slices) * 0.99)] < 0.02
    again = time.process_time()
    run(store.errors.page(_query(""), None, T0 + 2000))
    print(
        f"first {again - began:.2f}s, worst slice {max(slices) * 1000:.1f} ms, again {time.process_time() - again:.3f}s"
    )
    assert time.process_time() - again < 2


def test_messages_that_somebody_makes_up_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MOST", 20)
    store = Store(1000)
    words = ["".join(chr(97 + n // 26**k % 26) for k in range(4)) for n in range(100)]
    for n, word in enumerate(words):
        fails(store, n, f"ValueError('{word} is wrong')", at=n)
    found = page(store)
    assert found.failures == 100 and len(found.groups) <= 22
    assert found.groups[0].message == "(many different messages)"


def test_exceptions_that_somebody_makes_up_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MOST", 20)
    store = Store(1000)
    words = ["".join(chr(97 + n // 26**k % 26) for k in range(4)) for n in range(200)]
    for n, word in enumerate(words):
        fails(store, n, f"{word.title()}Error('{word} is wrong')", at=n)
    found = page(store)
    assert found.failures == 200 == sum(group.count for group in found.groups)
    assert len(store._columns.kinds.faults) <= 2 * 20 + 2
    assert (found.groups[0].type, found.groups[0].count) == ("(many different exceptions)", 160)


def test_a_backslash_that_python_does_not_know_tells_the_terminal_nothing(
    recwarn: pytest.WarningsRecorder,
) -> None:
    assert told("ValueError('no \\d here', 1)").message
    assert not recwarn.list
