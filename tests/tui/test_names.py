"""Names that do not fit are cut where they are alike."""

from __future__ import annotations

import msgspec
from rich.cells import cell_len

from lazycelery.model.cluster import Notice
from lazycelery.model.task import TaskRow
from lazycelery.tui.presentation.names import apart, shortened, squeezed
from tests.support.fake_engine import FakeEngine, worker
from tests.tui.conftest import staged

HOST = "celery@payments-prod-eu-west-1a-"
LONG = [f"{HOST}7f9c{number}" for number in range(4)]
QUEUES = [f"payments.prod.eu-west-1.orders.{kind}" for kind in ("charge", "refund")]


class LongNames(FakeEngine):
    def __init__(self) -> None:
        super().__init__()
        self.fleet = [worker(name) for name in LONG]
        for queue, name in zip(self.lines, QUEUES, strict=False):
            queue.name = name

    def _row(self, number: int) -> TaskRow:
        row = super()._row(number)
        return msgspec.structs.replace(row, worker=LONG[number % 4], queue=QUEUES[number % 2])


def test_what_fits_stays() -> None:
    assert squeezed("default", 7) == "default"
    assert apart(["default", "mail"], 8) == ["default", "mail"]


def test_the_end_stays_in_sight() -> None:
    cut = squeezed("payments-prod-eu-west-1a-7f9c0", 12)
    assert (len(cut), cut[-5:], "…" in cut) == (12, "7f9c0", True)


def test_parts_of_a_name_stay_whole_where_there_is_room() -> None:
    names = ["shop.thumbnail", "shop.payments.charge", "mail@shop", "refresh_everything"]
    assert [squeezed(name, 10) for name in names] == ["…thumbnail", "sho…charge", "mail@shop", "ref…ything"]
    assert apart(["mail@shop", "pics@shop"], 8) == ["mai…shop", "pic…shop"]
    assert apart(["worker-1@web", "worker-2@web"], 8) != ["work…web"] * 2


def test_names_that_differ_at_their_end_stay_different() -> None:
    assert len(set(apart(LONG, 9))) == len(LONG)


def test_names_that_differ_at_their_beginning_stay_different() -> None:
    cut = apart(["blue" + "-payments" * 4, "blot" + "-payments" * 4], 9)
    assert len(set(cut)) == 2
    assert all(text.startswith("bl") for text in cut)


def test_names_that_differ_in_their_middle_stay_different() -> None:
    cut = apart([f"payments-prod-{colour}-eu-west-1a-7f9c0" for colour in ("blue", "green", "red")], 9)
    assert [text[1:4] for text in cut] == ["blu", "gre", "red"]
    assert all(text[0] == text[-1] == "…" for text in cut)


def test_a_name_that_is_cut_does_not_look_like_one_that_is_not() -> None:
    cut = apart(["abcdefgh-ijklmnop", "ab…nop"], 6)
    assert cut[1] == "ab…nop"
    assert cut[0] != cut[1]


def test_wide_characters_keep_to_the_width() -> None:
    for width in range(1, 20):
        assert cell_len(squeezed("支付服务-生产-甲-1号机", width)) <= width
    assert squeezed("支付服务-生产-甲-1号机", 10).endswith("号机")


def test_a_sentence_gives_up_the_middle_of_its_names_first() -> None:
    assert shortened("payments-prod-7f9c hoards 12 tasks", 26) == "…prod-7f9c hoards 12 tasks"


async def test_rows_of_long_names_can_be_told_apart() -> None:
    async with staged(LongNames(), (80, 24)) as stage:
        assert all(f"7f9c{number}" in stage.text for number in range(4))
        assert "charge" in stage.text.split("2 Queues")[1]
        assert "refund" in stage.text.split("2 Queues")[1]
        assert "…" in next(line for line in stage.text.splitlines() if "7f9c2" in line)
    async with staged(LongNames(), (160, 48)) as stage:
        await stage.press("3", "z")
        assert all(f"7f9c{number} " in stage.text for number in range(4))
        assert "charge " in stage.text
        assert "refund " in stage.text


async def test_findings_of_long_names_can_be_told_apart() -> None:
    engine = FakeEngine()
    engine.seen.notices = [
        Notice(code="worker-lost", severity="critical", title=f"{name}: heartbeats ended", subject=name)
        for name in LONG
    ]
    async with staged(engine, (80, 24)) as stage:
        await stage.press("4")
        panes = stage.text.split("4 Findings")[1]
        assert all(f"7f9c{number}:" in panes for number in range(4))


async def test_cuts_show_in_ascii_too() -> None:
    async with staged(LongNames(), (80, 24), ascii=True) as stage:
        assert stage.text.isascii()
        assert "~" in next(line for line in stage.text.splitlines() if "7f9c2" in line)


async def test_the_order_of_a_narrow_list_is_told() -> None:
    async with staged(size=(80, 24)) as stage:
        await stage.press("3", "S", "S")
        assert "3 ▾wait" in stage.text
        await stage.press("I")
        assert "▴" in stage.text.split(" 3 ")[1].splitlines()[0]


async def test_a_narrow_title_gives_its_parts_up_whole() -> None:
    """The order's name first, then the order, and all filters but the last; what is left is not in shreds."""
    async with staged(size=(80, 24)) as stage:
        stage.desk.tasks.note = lambda width, look: "673"  # type: ignore[method-assign]
        await stage.press("3")
        titles = []
        for filters in ([], ["a:b"], ["n:shop.a"], ["name:shop", "id:1f2a"]):
            stage.desk.sort_as("queue")
            stage.desk.tasks.ordering.set("queue", True)
            stage.desk.tasks.pushed[:] = filters
            stage.desk.tasks.sort()
            await stage.rest()
            line = next(one for one in stage.text.splitlines() if "673" in one)
            titles.append(line[2 : line.index("673")].strip(" ─"))
        assert titles == ["3 ▴queue", "3 ▴ › a:b", "3 › n:shop.a", "3 … › id:1f2a"]


async def test_the_order_is_told_where_its_column_is_not_shown() -> None:
    async with staged(size=(80, 24)) as stage:
        await stage.press("3", "z")
        stage.desk.sort_as("retries")
        await stage.rest()
        assert "▾retries" in stage.text
