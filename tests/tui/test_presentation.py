"""Pure pictures: numbers, lines, values, arrangements, themes, prompts."""

from __future__ import annotations

import time
from urllib.parse import unquote

import pytest

from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict import of_task
from lazycelery.model.cluster import Load, Notice, Overview, TapeStatus
from lazycelery.model.relief import Relief
from lazycelery.model.task import Task
from lazycelery.tui import themes
from lazycelery.tui.arrangement import accordion, arrange
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation import sayings, task_page
from lazycelery.tui.presentation.body import Text, wrapped
from lazycelery.tui.presentation.footer import Question, question_lines
from lazycelery.tui.presentation.header import header
from lazycelery.tui.presentation.line import Column, Line, choose, crop, fit, length, merge, row
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import ASCII, UNICODE, gauge, sparkline
from lazycelery.tui.presentation.values import LINES, value_body
from lazycelery.tui.prompt import Letter, Prompt
from tests.support.fake_engine import NOW


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (q.count(1204331), "1,204,331"),
        (q.count(None), "–"),
        (q.short_count(1_204_331), "1.2M"),
        (q.short_count(999), "999"),
        (q.age(842), "14m02s"),
        (q.age(-3), "0s"),
        (q.age(3 * 86400 + 4 * 3600), "3d04h"),
        (q.age(None), "–"),
        (q.rough_age(14), "10s"),
        (q.rough_age(842), "14m"),
        (q.duration(0.0123), "12ms"),
        (q.duration(8.2), "8.20s"),
        (q.rate(4.04, signed=True), "+4.0/s"),
        (q.rate(-0.01, signed=True), "0/s"),
        (q.rate(1234), "1.2k/s"),
        (q.size(88 << 20), "88 MB"),
        (q.size(812), "812 B"),
        (q.share(0.0017), "0.2 %"),
        (q.share(None), "–"),
        (q.clock(NOW, utc=True), "02:03:22"),
        (q.short_moment(NOW - 90000, NOW, utc=True), "11-20"),
        (q.short_id("\x1b[31mabcdef"), "␛[31mabc"),
    ],
)
def test_numbers_have_units_and_the_unknown_is_a_dash(made: str, wanted: str) -> None:
    assert made == wanted


def plain_text(line: Line) -> str:
    return "".join(text for text, _ in line)


@pytest.mark.parametrize(
    ("relief", "said"),
    [
        (Relief(), None),
        (Relief(stage=1, texts_let_go=True), "no long texts"),
        (Relief(stage=2, texts_let_go=True, one_in=10, successes=5), "keeps 1 in 10"),
        (Relief(texts=1000, successes=204_331), "let go 205k"),
        (Relief(texts=1000, cut_off=2, missed=3.5), "missed 3.50s of events"),
    ],
)
def test_the_header_tells_what_is_let_go_and_what_was(relief: Relief, said: str | None) -> None:
    load = Load(cpu=0.034, rss=212_000_000, commands_per_second=6.0)
    overview = Overview(connected=True, lag=0.02, loss=0.0, relief=relief, load=load)
    wide = plain_text(header(overview, True, False, Look(now=NOW), 160))
    assert "load 3%  210 MB  ~5 cmd/s" in wide
    narrow = plain_text(header(overview, True, False, Look(now=NOW), 80))
    assert "MB" not in narrow and ("load 3%" in narrow or said)
    idle = Overview(connected=True, relief=relief, load=Load(rss=212_000_000))
    assert "load" not in plain_text(header(idle, True, False, Look(now=NOW), 160))
    assert (said is None and "let go" not in wide) or (said is not None and said in wide)
    assert (said is None and "let go" not in narrow) or (said or "").removesuffix(" of events") in narrow


@pytest.mark.parametrize("name", ["shop-prod", "127.0.0.1:16379/0", "db1.internal:6379/0"])
@pytest.mark.parametrize(
    ("relief", "short"),
    [
        (Relief(texts=1000, successes=98_000), "let go 99k"),
        (Relief(stage=1, texts_let_go=True, successes=5), "no long texts"),
        (Relief(stage=3, texts_let_go=True, one_in=100, successes=5), "keeps 1/100"),
        (Relief(texts=1000, cut_off=2, missed=3.5), "missed 3.50s"),
    ],
)
def test_eighty_columns_hold_all_that_tells_how_well_we_see(name: str, relief: Relief, short: str) -> None:
    seen = Overview(
        profile=name, connected=True, relief=relief, events_per_second=49_000, lag=0.02, loss=0.002
    )
    told = plain_text(header(seen, True, False, Look(now=NOW), 80))
    assert len(told) == 80 and name in told and "READ-ONLY" in told
    assert "ev 49k/s" in told and short in told and "loss 0.2 %" in told
    assert "lag <0.1s" in told or name != "shop-prod"
    for tape, sign in (
        (TapeStatus(path="a"), " REC "),
        (TapeStatus(path="a", problem="full"), " REC ENDED "),
    ):
        seen.recording = tape
        told = plain_text(header(seen, True, False, Look(now=NOW), 80))
        assert sign in told and name in told and "READ-ONLY" in told and "loss 0.2 %" in told
        assert len(told) == 80
    seen.recording = None
    seen.production = True
    told = plain_text(header(seen, True, False, Look(now=NOW), 80))
    assert "PRODUCTION" in told and "loss 0.2 %" in told
    seen.profile = name.ljust(26, "x")
    told = plain_text(header(seen, True, True, Look(now=NOW), 80))
    assert "PRODUCTION" in told and "PAUSED" in told and "loss 0.2 %" in told, "loss is the last to go"


def test_our_own_name_stands_in_the_header_wherever_there_is_room() -> None:
    seen = Overview(profile="shop-prod", connected=True, events_per_second=1204, lag=0.02, loss=0.0)
    assert " lazycelery " in plain_text(header(seen, True, False, Look(now=NOW), 80))
    seen.relief = Relief(texts=99_000)
    assert " lazycelery " in plain_text(header(seen, True, False, Look(now=NOW), 160))


def test_the_header_tells_the_place_of_a_broker_without_its_options() -> None:
    overview = Overview(profile="prod", broker="replay:///tmp/night?speed=1&from=173.757")
    told = plain_text(header(overview, True, False, Look(now=NOW), 160))
    assert "replay:///tmp/night " in told and "173" not in told


@pytest.mark.parametrize("place", ["amqp://guest:***@h/%2F", "redis://h/0", "redis://h/a%20b"])
def test_a_broker_that_gives_the_profile_its_name_is_not_told_twice(place: str) -> None:
    name = place.partition("://")[2].rpartition("@")[2]
    for profile in (name, unquote(name)):
        told = plain_text(header(Overview(profile=profile, broker=place), True, False, Look(now=NOW), 160))
        assert profile in told and "://" not in told


@pytest.mark.parametrize("tab", [0, 1, 2])
def test_a_text_that_was_not_kept_is_not_shown_as_empty(tab: int) -> None:
    task = Task(id="a", state="success", args=None, kwargs="{}", not_kept=["args", "result"])
    page = task_page.page(task, tab, Look(now=NOW), 100)
    assert "not kept under load" in "\n".join(plain_text(line) for line in page.body)


def test_a_cut_is_shown_as_cut_in_any_script() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("漢字漢字", 5) == "漢字…"
    assert length(crop((("漢字", ""), ("abc", "ok")), 6)) == 6
    assert fit("ab", 4) == "ab  "


def test_neighbours_that_look_alike_are_one_run() -> None:
    assert merge([("a", "ok"), (" ", ""), ("b", "ok"), ("", "warn")]) == (("a b", "ok"),)
    assert merge([("a", "badge"), (" ", "")]) == (("a", "badge"), (" ", "")), "a ground must not spill over"


def test_columns_go_by_rank_and_share_what_is_left() -> None:
    columns = (Column("A", 4), Column("B", 6, grow=1), Column("C", 5, rank=2), Column("D", 5, rank=1))
    assert choose(columns, 40) == [(0, 4), (1, 23), (2, 5), (3, 5)]
    assert choose(columns, 18) == [(0, 4), (1, 7), (3, 5)]
    assert choose(columns, 12) == [(0, 4), (1, 7)]
    assert length(row([("x", "")] * 4, columns, choose(columns, 40))) == 40


def test_gauges_and_sparklines_have_ascii_twins() -> None:
    assert gauge(1, 4, 4, UNICODE) == "▰▱▱▱" and gauge(None, None, 3, ASCII) == "..."
    assert sparkline([0, 1, 8], 4, UNICODE) == " ▁▁█"
    assert sparkline([0, 0], 2, ASCII).isascii()


def test_ten_megabytes_of_text_cause_no_pause() -> None:
    text = "x" * 100 + "\n"
    started = time.process_time()
    body = Text(text * 100_000)
    lines = body[50_000:50_060]
    one = Text("y" * 10_000_000)[0]
    assert time.process_time() - started < 0.25
    assert len(lines) == 60 and "more characters" in one[-1][0]


def test_a_huge_value_is_bounded_and_says_so() -> None:
    body = value_body({f"key{n}": ["v" * 80] * 3 for n in range(20_000)})
    assert len(body) == LINES + 1 and "more than" in body[-1][0][0]


def test_values_are_indented_when_they_are_long() -> None:
    lines = ["".join(text for text, _ in line) for line in value_body({"a": list(range(40)), "b": 1})]
    assert lines[:3] == ["{", "  'a': [", "    0,"] and lines[-2:] == ["  'b': 1,", "}"]


def test_long_sentences_wrap_and_end_with_a_mark() -> None:
    lines = wrapped("word " * 100, 20, limit=2)
    assert len(lines) == 2 and lines[1][-1][0].endswith("…")


def test_the_leading_pane_gets_room_and_the_others_keep_a_line() -> None:
    heights = accordion({"workers": 5, "queues": 4, "tasks": 1000}, "tasks", 22)
    assert heights == {"workers": 3, "queues": 3, "tasks": 16}
    assert sum(accordion({"workers": 500, "queues": 1, "tasks": 1}, "workers", 22).values()) == 22
    assert accordion({"workers": 5, "queues": 4, "tasks": 9}, "tasks", 8)["workers"] == 1


@pytest.mark.parametrize("width", [40, 69, 70, 80, 120, 250])
@pytest.mark.parametrize("height", [10, 24, 60])
@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("on_main", [False, True])
def test_every_arrangement_fills_the_screen(width: int, height: int, size: int, on_main: bool) -> None:
    made = arrange(width, height, {"workers": 3, "queues": 2, "tasks": 99}, "tasks", on_main, size)
    assert made.left + made.main == width
    assert made.body + 2 + made.log + made.names == height
    assert not made.left or sum(made.panes.values()) == made.body


@pytest.mark.parametrize(
    ("wanted", "environment", "theme"),
    [
        ("light", {"TERM": "xterm-256color"}, "light"),
        ("dark", {"TERM": "xterm", "NO_COLOR": "1"}, "terminal"),
        ("dark", {"TERM": "vt100"}, "terminal"),
        ("no such", {"TERM": "xterm"}, "dark"),
    ],
)
def test_the_theme_follows_the_terminal(wanted: str, environment: dict[str, str], theme: str) -> None:
    assert themes.chosen(wanted, environment) == theme


def test_every_theme_knows_every_token() -> None:
    tokens = [set(theme.variables) for theme in themes.THEMES.values()]
    common = set.intersection(*tokens)
    assert {"ok", "run", "wait", "warn", "fail", "dim", "accent", "badge", "alarm"} <= common


def test_a_prompt_is_edited_like_a_shell_line() -> None:
    prompt = Prompt("one two")
    for chord, character in (("ctrl+w", None), ("x", "x"), ("home", None), ("y", "y"), ("delete", None)):
        assert prompt.press(chord, character) == "open"
    assert prompt.text == "yne x"
    prompt.insert("a\r\nb")
    assert prompt.text == "ya bne x"
    assert prompt.press("enter", None) == "yes" and prompt.press("escape", None) == "no"


def test_only_y_says_yes() -> None:
    letter = Letter()
    assert letter.press("y", "y") == "yes"
    assert {letter.press(chord, None) for chord in ("enter", "escape")} == {"no"}
    assert letter.press("r", "r") == "open"


def test_the_worst_notice_is_told_with_the_number_of_others() -> None:
    notices = [
        Notice(code="a", severity="warning", title="loss 3 %"),
        Notice(
            code="b",
            severity="critical",
            title="12 in defualt, nobody consumes it.",
            hint="Did you mean default?",
        ),
        Notice(code="c", severity="info", title="hello"),
    ]
    line = sayings.trouble(Overview(notices=notices), None, None, Look(NOW))
    text = "".join(text for text, _ in line)
    assert "nobody consumes it. Did you mean default?" in text and "(+1 more)" in text


@pytest.mark.parametrize(
    "state", ["waiting", "scheduled", "received", "started", "retry", "failure", "lost", "unknown"]
)
def test_every_state_has_a_verdict_even_when_nothing_else_is_known(state: str) -> None:
    told = of_task(Task(id="abc", state=state), Snapshot(now=NOW))
    assert len(told.text) > 5 and "None" not in told.text
    for tab in range(len(task_page.TABS)):
        page = task_page.page(Task(id="abc", state=state), tab, Look(NOW), 60, told)
        assert all("None" not in part for line in page.body for part, _ in line)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_long_question_still_shows_the_keys_of_its_answer(width: int) -> None:
    text = f"move all 7 messages of celrey to celery, backup /{'state/' * 40}20261125-celrey.ndjson? y/N"
    lines = question_lines(Question("Move them", text), None, Look(NOW), width)
    said = " ".join("".join(part for part, _ in line).strip() for line in lines)
    assert said.endswith("y/N") and said.count("y/N") == 1
    endless = question_lines(Question("Purge", f"Purge {'x' * 20_000}?"), None, Look(NOW), width)
    assert seen_of(endless).endswith("y/N") and "…" in seen_of(endless)
    [short] = question_lines(Question("Retry", "retry?"), None, Look(NOW), width)[1:]
    assert "".join(part for part, _ in short).strip() == "Retry? y/N"


LONG = Question(
    "Move 1,204 messages to celery",
    "move 1,204 messages to celery, backup in default.ndjson? y/N",
    about="default: the oldest waits for 3m",
    summary=tuple(f"{n} messages of task.number{n} go to queue{n}, their priority kept" for n in range(9)),
    warnings=(
        "A worker takes messages meanwhile. It may take some of these.",
        "It may take some of these.",
        "What is moved runs at another worker, whose settings are not those of the first one.",
    ),
)


def seen_of(lines: list[Line]) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_question_says_every_fact_whole_and_once(width: int) -> None:
    said = " ".join(seen_of(question_lines(LONG, None, Look(NOW), width)).split())
    for fact in (LONG.about, *LONG.summary, LONG.warnings[2], "It may take some of these."):
        assert said.count(fact) == 1, fact
    assert said.lower().count("move 1,204 messages to celery") == 1


def test_two_facts_that_read_alike_are_both_told() -> None:
    twins = ("shop.charge order-00: failure (event)",) * 2
    asked = Question("Retry a canvas", "Retry it?", members=twins, summary=("Purge 3 of A", "Purge 3 of a"))
    said = seen_of(question_lines(asked, None, Look(NOW), 80))
    assert said.count(twins[0]) == 2 and "of A" in said and "of a" in said


def test_a_question_that_is_longer_than_the_screen_scrolls_and_keeps_its_answer() -> None:
    seen = set()
    for top in range(20):
        lines = question_lines(LONG, None, Look(NOW), 80, 10, top)
        assert len(lines) == 10
        assert seen_of(lines).endswith("y/N")
        seen |= {f"task.number{n} " for n in range(9) if f"task.number{n} " in seen_of(lines)}
    assert len(seen) == 9
    assert "more lines: ↓" in seen_of(question_lines(LONG, None, Look(NOW), 80, 10, 0))
    assert "first one." in seen_of(question_lines(LONG, None, Look(NOW), 80, 10, 99))
    assert "↑ shows the lines above" in seen_of(question_lines(LONG, None, Look(NOW), 80, 10, 99))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_long_word_to_type_is_shown_whole_and_so_is_what_is_typed(width: int) -> None:
    word = "eu-west-1.shop.orders.priority_" + "x" * 40
    asked = Question("Purge it", "Backup: here.", "typed", word)
    lines = question_lines(asked, word, Look(NOW), width)
    told = "".join("".join(text for text, _ in line).strip() for line in lines[:-1])
    assert word in told.replace(" ", "")
    assert all(length(line) <= width for line in lines)
    typed = "".join(text for text, _ in lines[-1])
    assert word[-4:] in typed, "the end of what is typed, where the caret is"
    [_, _, short] = question_lines(Question("Purge it", "Now?", "typed", "mail"), "ma", Look(NOW), 80)[-3:]
    assert "".join(text for text, _ in short).rstrip() == " Type mail to go on, or enter for no: ma"
