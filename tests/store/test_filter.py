from __future__ import annotations

import re
import sqlite3
import time
import warnings
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazycelery.errors import UsageError
from lazycelery.model.event import Event
from lazycelery.model.reports import TaskReport
from lazycelery.model.task import Task, TaskQuery
from lazycelery.store.filter import parse
from lazycelery.store.filter.lexer import RawValue
from lazycelery.store.filter.likeness import like_of
from lazycelery.store.filter.needle import holding
from lazycelery.store.filter.quantities import moment
from lazycelery.store.filter.repeats import shared
from lazycelery.store.filter.texts import TextMatch
from lazycelery.store.store import Store
from lazycelery.store.values import plain
from tests.store.build import T0, event, failed, received, sent, started, succeeded

NOW = T0 + 100
FILTERISH = st.text(alphabet='stae:nmwork,-~*"\\>=<. ()[]+|x1h0', max_size=30)


@given(st.text(max_size=40) | FILTERISH)
@settings(max_examples=500)
def test_parsing_raises_usage_errors_only_and_what_it_reads_it_writes(text):
    try:
        filter = parse(text)
    except UsageError as error:
        assert re.match(r"column \d+: ", error.title)
        return
    again = parse(str(filter))
    assert [term.raw for term in again.terms] == [term.raw for term in filter.terms]
    assert str(again) == str(filter)


@pytest.mark.parametrize(
    ("text", "title", "hint"),
    [
        ("state:failure statee:x", "column 15: unknown field 'statee'", "Did you mean state?"),
        ("state:failled", "column 7: unknown state 'failled'", "Did you mean failure?"),
        ("-wrker:a", "column 2: unknown field 'wrker'", "Did you mean worker?"),
        ("runtime:>5x", "column 10: '5x' is no duration", "Write"),
        ("runtime:", "column 9: a value is missing", "Write"),
        ("retries:abc", "column 9: 'abc' is no number", "Write"),
        ("since:25:00", "column 7: '25:00' is no time", "14:30"),
        ("since:yesterday", "column 7: 'yesterday' is no time", "Write"),
        ("error:~a(b", "column 9: not a regular expression", "~"),
        ("error:~(a+)+$", "column 11: a repeated group", "hours"),
        ("error:~a+a+a+b", "column 8: repeats that can", "between"),
        (r"error:~[a-z]+\w+\w*!", "column 8: repeats that can", "between"),
        (r"error:~(x|[ab]?.*,.*,.*,)c", "column 8: repeats that can", "between"),
        ("error:~(aa?)+b", "column 8: repeats that can", "between"),
        ("error:~(a|aa)*b", "column 13: a repeated group", "hours"),
        ('name:"abc', "column 6: a quote is opened", "Close"),
        ("name:>abc", "column 7: > compares numbers", "Use"),
        ("source:moon", "column 8: unknown source 'moon'", "Sources are"),
        ("http://x", "column 1: unknown field 'http'", "quotes"),
        ("order.id:7", "column 1: unknown field 'order.id'", "kwargs"),
    ],
)
def test_a_wrong_filter_says_where_and_what_to_write(text, title, hint):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.title.startswith(title), caught.value.title
    assert hint in caught.value.hint


@pytest.fixture(scope="module")
def store() -> Store:
    store = Store(1000)
    store.apply_events(
        [
            sent(0, "ok-1", name="shop.add", queue="fast"),
            received(1, "ok-1"),
            started(2, "ok-1"),
            succeeded(8, "ok-1", runtime=6.0, result="{'total': 12}"),
            received(
                10,
                "bad-1",
                name="shop.charge",
                args="('anna', 9)",
                kwargs="{'order': {'id': 123}}",
                root_id="ok-1",
            ),
            started(11, "bad-1"),
            failed(12, "bad-1"),
            received(13, "bad-2", name="mail.send", worker="w2@h", kwargs="{'order': {'id': 77}, 'n': 5}"),
            started(14, "bad-2", worker="w2@h"),
            event("failed", 15, "bad-2", "w2@h", exception="TimeoutError('read timed out')"),
            sent(20, "run-1", name="mail.send", retries=2, queue=None, root_id=None),
            received(20, "run-1", name="mail.send", retries=2),
            started(99, "run-1"),
        ]
    )
    store.apply_tasks(
        [
            TaskReport(
                id="ctl-1",
                phase="reserved",
                worker="w3@h",
                name="shop.big",
                args=[1],
                kwargs={"a": ["x", 7.5]},
            )
        ],
        T0 + 50,
    )
    return store


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", "ctl-1 run-1 bad-2 bad-1 ok-1"),
        ("state:failure", "bad-2 bad-1"),
        ("state:Failure,SUCCESS", "bad-2 bad-1 ok-1"),
        ("-state:failure", "ctl-1 run-1 ok-1"),
        ("state:faults", "bad-2 bad-1"),
        ("state:s*", "run-1 ok-1"),
        ("shop", "ctl-1 bad-1 ok-1"),
        ("shop anna", "bad-1"),
        ("SHOP -anna", "ctl-1 ok-1"),
        ("name:shop.*", "ctl-1 bad-1 ok-1"),
        ("name:*.send", "run-1 bad-2"),
        ("name:=shop.add", "ok-1"),
        ("name:shop", "ctl-1 bad-1 ok-1"),
        ("worker:w2,w3", "ctl-1 bad-2"),
        ("queue:fast", "ok-1"),
        ("id:bad", "bad-2 bad-1"),
        ("root:ok-1", "bad-1 ok-1"),
        ("error:~time(d )?out", "bad-2"),
        ("error:~read\\stime(d )?out", "bad-2"),
        ("error:*read*", "bad-2"),
        ('error:"timed out"', "bad-2"),
        ("timed*out", "bad-2"),
        ("~^mail", "run-1 bad-2"),
        ("runtime:>5s", "ok-1"),
        ("runtime:>=1s runtime:<=6", "bad-2 bad-1 ok-1"),
        ("runtime:500ms..2s", "bad-2 bad-1"),
        ("runtime:..2s", "bad-2 bad-1"),
        ("wait:>1m", "run-1"),
        ("retries:>0", "run-1"),
        ("retries:2", "run-1"),
        ("retries:0,2", "run-1 bad-2 bad-1 ok-1"),
        ("kwargs.order.id:123", "bad-1"),
        ("kwargs.order.id:>100", "bad-1"),
        ("-kwargs.order.id:123 name:mail.send", "run-1 bad-2"),
        ("kwargs.a.1:7.5", "ctl-1"),
        ("kwargs.a.0:x", "ctl-1"),
        ("args.1:9", "bad-1"),
        ("args.0:an*", "bad-1"),
        ("args.9:9", ""),
        ("result.total:12", "ok-1"),
        ("result:total", "ok-1"),
        ("since:30s", "run-1"),
        ("state:failure until:80s", "bad-2 bad-1"),
        ("until:86s", "bad-1 ok-1"),
        ("age:<10s", "run-1"),
        ("source:control", "ctl-1"),
        ("-source:control state:success", "ok-1"),
    ],
)
def test_filters_find_what_they_say(store, text, ids):
    assert store.select(text, 100, NOW) == ids.split()
    assert [row.id for row in store.query(TaskQuery(filter=text), NOW).rows] == ids.split()


@pytest.mark.parametrize(
    "expression",
    [
        *(".*foo.*", r".*foo.*bar\d+", r"fo+.*.*", r"code \d+.*bar", r"took \d+ s.*bar", r"foo.*\d.*\d+x?"),
        *(r"\w+ \w+ \w+ \d+", r"(foo.*|bar.*|x.*)9", r"[^,]*, [^ ]* \w+, \w+", r"\w+\.\w+\.\w+"),
    ],
)
def test_ordinary_expressions_are_taken(expression: str) -> None:
    [term] = parse(f'args:~"{expression.replace(chr(92), chr(92) * 2)}"').terms
    text = "a code 17 foo, took 12 s bar77x a.b.c 9"
    assert term.tests[0].matches(text) == (re.search(expression, text, re.I | re.S) is not None)


def test_iso_times_are_understood(store):
    assert store.select("since:2026-09-21T15:00:00+00:00", 10, NOW) is not None
    assert store.select("until:2001-01-01", 10, NOW) == []
    assert len(store.select("since:2001-01-01", 10, NOW)) == 5


def test_a_costly_expression_meets_bounded_text():
    store = Store(100)
    store.apply_events([received(1, args="a" * 8000)])
    begun = time.process_time()
    for text in ("~a*b", "~a.*a.*a.*b", "*a*a*a*b*", "~(?:a+)x", "~a+a+b"):
        assert store.select(f"args:{text}", 10, NOW) == []
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        *[("a", 0), ("a+b+", 0), ("a+a+", 1), ("a*b*a*", 1), (r"[a-z]+\w+!", 1), (r"\d+ .*\d+ s", 1)],
        *[(r"(\w+) (\d+) (\w+) \d+ \w+", 0), (r"took \d+ s on \w+@\w+", 0), (r"\w+\s+\w+\s+\d+", 0)],
        *[("(a.*b|c.*d|e.*f)", 0), ("a.*b|c.*d|e.*f", 0), ("(?=.*a)(?=.*b)(?=.*c)", 0), (".*foo.*", 1)],
        *[
            ("a+(b)?a+", 1),
            ("a+(b)a+", 0),
            ("a+(?:b|a)a+", 1),
            ("(?:ab)+(?:ab)+(?:ab)+", 2),
            (r"(a)\1*\1*", 1),
        ],
        *[("a{2,}a{1,9}", 1), ("a{3}a{4}a{5}", 0), ("[]a]+[]b]+", 1), (r"\x61+a+", 1), ("ſ+s+", 1)],
        *[
            ("(?x)a+ b? a+", 1),
            ("(?i:A+)a+", 1),
            ("(ab?)+", 0),
            ("(ab?b)+", 2),
            ("(?#+)a+(?#b)a+", 1),
            (r"\u0431+[\u0400-\u04ff]+", 1),
        ],
    ],
)
def test_repeats_that_can_take_the_same_signs_are_counted(expression: str, expected: int) -> None:
    re.compile(expression)
    assert shared(expression) == expected


@given(st.lists(st.sampled_from([*"ab(|)*+?.[]^\\d", "{2}", "(?:", "(?=", "{1,}"]), max_size=12).map("".join))
@settings(max_examples=500)
def test_what_is_allowed_ends_soon(expression: str) -> None:
    """On the texts that are worst for it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [term] = parse(f"args:~{expression}").terms
    except (UsageError, ValueError):
        return
    for text in ("a" * 5_000, "ab" * 2_500, "a" * 5_000 + "b"):
        begun = time.process_time()
        term.tests[0].matches(text)
        assert time.process_time() - begun < 5


@given(
    st.text(alphabet="ab.*[]^$\\d1", max_size=8),
    st.text(alphabet="ab1\n", max_size=10),
)
@settings(max_examples=500)
def test_an_expression_in_pieces_finds_what_the_whole_finds(expression, text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(expression)
        [term] = parse(f"args:~{expression}").terms
    except (re.error, UsageError, ValueError):
        return
    if term.raw.values[0].text != expression:
        return
    [test] = term.tests
    assert test.matches(text) == (re.search(expression, text, re.I | re.S) is not None)


PIECES = st.sampled_from(
    [
        *("a", "b", "1", "k", "S", "i", "é", "İ", " ", "%", "_", "-", "'", ".", "^", "$", "*", "+", "?", "|"),
        *("(", ")", "[ab]", "[^a]", "{2}", "{", "}", "ab", "bab"),
        *("\\", "\\d", "\\.", "\\x41", "\\w", "(?i)", "(?=a)"),
    ]
)
TEXTS = st.text(alphabet="abAB12kKſsSıIİié \u0307%_-'.\\{}", max_size=12)


def likes(text: str, pattern: str) -> bool:
    """What SQLite says."""
    [(found,)] = _sqlite.execute("SELECT ? LIKE ? ESCAPE '\\'", (text, pattern))
    return bool(found)


_sqlite = sqlite3.connect(":memory:")


@given(st.sampled_from(["", "~", "="]), st.lists(PIECES, min_size=2, max_size=6).map("".join), TEXTS)
@settings(max_examples=3_000)
def test_what_is_found_looks_as_a_database_is_told(operator: str, expression: str, text: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [term] = parse(f"args:{operator}{expression}").terms
    except (UsageError, ValueError):
        return
    for test in term.tests:
        assert isinstance(test, TextMatch)
        pattern = like_of(test)
        assert pattern is None or likes(text, pattern) or not test.matches(text)


LIKENESSES = {
    "order-7": "%order-7%",
    "o*er-1*": "%o%er-1%",
    "50%_": "%50\\%\\_%",
    "Größe": "%gr__e%",
    "~time(d )?out": "%t_me%out%",
    "~^a.*77$": "%a%77%",
    "~ab+c?de{2}f": "%a%d%f%",
    "~no\\.\\d+x": "%no.%x%",
    "~a{2,3}bc": "%bc%",
    "~ab{}*cd": "%ab{%cd%",
    **dict.fromkeys(("~a", "~[0-9]+ab|cd", "~\\x41bc", "~(?i)abc", "~(ab|cd)")),
    "~((?x:a# ))\n)bc)de": None,
}


@pytest.mark.parametrize("expression", LIKENESSES)
def test_signs_that_are_certain_are_told(expression: str) -> None:
    value = f'~"{expression[1:]}"' if " " in expression else expression
    [test] = parse(value).terms[0].tests
    assert isinstance(test, TextMatch)
    assert like_of(test) == LIKENESSES[expression]


NAMES = ["shop.add", "shop.charge", "mail.send"]
STATES = ["received", "started", "success", "failure"]


@st.composite
def histories(draw):
    events: list[Event] = []
    for number in range(draw(st.integers(1, 12))):
        uuid = f"t{number}"
        at = draw(st.integers(0, 50))
        life = draw(st.sampled_from(STATES))
        worker = draw(st.sampled_from(["w1@h", "w2@h"]))
        args = draw(st.sampled_from(["(1,)", "('a',)", "(7, 'b')"]))
        name, retries = draw(st.sampled_from(NAMES)), draw(st.integers(0, 2))
        events.append(received(at, uuid, retries, worker, name=name, args=args))
        if life != "received":
            events.append(started(at + 1, uuid, worker))
        if life == "success":
            events.append(succeeded(at + 3, uuid, worker, runtime=2.0))
        if life == "failure":
            events.append(failed(at + 4, uuid, worker))
    return events


CONDITIONS: dict[str, object] = {
    "state:success": lambda task: task.state == "success",
    "state:failure,started": lambda task: task.state in ("failure", "started"),
    "name:shop.*": lambda task: task.name.startswith("shop."),
    "name:add,send": lambda task: "add" in task.name or "send" in task.name,
    "worker:w1": lambda task: "w1" in task.worker,
    "error:valueerror": lambda task: "ValueError" in (task.error or ""),
    "args.0:7": lambda task: task.args.startswith("(7"),
    "retries:>=1": lambda task: task.retries >= 1,
    "runtime:>=3s": lambda task: task.runtime is not None and task.runtime >= 3,
    "shop": lambda task: "shop" in task.name,
    "~[ab]'": lambda task: re.search("[ab]'", task.args) is not None,
    "age:>70s": lambda task: NOW - (task.finished or task.started or task.received) > 70,
}


@given(
    histories(),
    st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(CONDITIONS))), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_the_columns_match_what_a_plain_loop_matches(events, conditions):
    store = Store(100)
    store.apply_events(events)
    text = " ".join(("-" if negated else "") + word for negated, word in conditions)
    tasks: list[Task] = [task for number in range(12) if (task := store.task(f"t{number}", NOW)) is not None]
    expected = {
        task.id
        for task in tasks
        if all(CONDITIONS[word](task) != negated for negated, word in conditions)  # type: ignore[operator]
    }
    assert set(store.select(text, 100, NOW)) == expected


@given(
    st.lists(st.none() | st.text("aAbİΣ\x00", max_size=5), max_size=6),
    st.text("abi\u0307σ\x00\x01", min_size=1, max_size=3),
)
def test_a_part_is_found_in_joined_texts_where_it_stands_in_one(texts: list[str | None], part: str) -> None:
    found = holding(texts, part).tolist()
    assert found == [part in plain(text).lower() for text in texts]


def test_a_time_of_day_is_the_last_one() -> None:
    now = datetime(2026, 11, 25, 3, 10, tzinfo=timezone.utc).timestamp()

    def told(text: str) -> str:
        at = moment(RawValue("", text, False)).at(now)
        return datetime.fromtimestamp(at, timezone.utc).isoformat(" ", "minutes")[:16]

    assert (told("02:50Z"), told("14:30+00:00"), told("03:10Z")) == (
        "2026-11-25 02:50",
        "2026-11-24 14:30",
        "2026-11-25 03:10",
    )
    ends = [
        moment(RawValue("", text, False), end=True).at(now) - now for text in ("04:10Z", "23:10Z", "02:10Z")
    ]
    assert ends == [3600, -4 * 3600, -3600]
    local = moment(RawValue("", "02:50", False)).at(now)
    assert datetime.fromtimestamp(local).strftime("%H:%M") == "02:50" and 0 <= now - local < 86_400
