"""The frames between a face and its engine."""

from __future__ import annotations

import msgspec
import pytest

from lazycelery.engine import protocol
from lazycelery.errors import KINDS, Refused
from lazycelery.model.action import Order, Plan
from lazycelery.model.task import TaskQuery


def test_every_method_of_the_interface_has_a_typed_answer() -> None:
    assert {"tick", "overview", "tasks", "plan", "act", "close"} <= set(protocol.METHODS)
    for method in protocol.METHODS.values():
        assert isinstance(method.answer, msgspec.msgpack.Decoder)


def test_arguments_arrive_typed() -> None:
    given = protocol.METHODS["tasks"].convert({"query": {"filter": "state:failure", "limit": 5}})
    assert given == {"query": TaskQuery(filter="state:failure", limit=5)}


def test_a_side_that_knows_no_parts_of_a_search_asks_for_all_and_tells_all() -> None:
    tasks = protocol.METHODS["tasks"]
    asked = tasks.convert({"query": {"filter": "word", "patience": 0.05, "of_tomorrow": 1}})["query"]
    assert asked.patience == 0.05 and tasks.convert({"query": {"filter": "word"}})["query"].patience is None
    assert tasks.answer.decode(msgspec.msgpack.encode({"matched": 3})).searched == 1


def test_a_wrong_argument_is_refused_with_its_path() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"limit"):
        protocol.METHODS["tasks"].convert({"query": {"limit": "many"}})


def test_a_plan_survives_the_journey_whole() -> None:
    plan = Plan(
        id="p1", action="retry", title="Retry 1 task", count=1, order=Order(action="retry", targets=["a"])
    )
    body = protocol.frame((7, True, plan))[4:]
    number, good, raw = protocol.decode_response(body)
    assert (number, good) == (7, True)
    assert protocol.METHODS["plan"].answer.decode(raw) == plan


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.code)
def test_an_error_arrives_as_the_same_class_with_its_hint(kind: type) -> None:
    body = protocol.frame((1, False, protocol.error_out(kind("It broke.", "Mend it."))))[4:]
    error = protocol.error_in(protocol.decode_response(body)[2])
    assert type(error) is kind
    assert (error.title, error.hint, error.exit_code) == ("It broke.", "Mend it.", kind.exit_code)


def test_an_unknown_kind_of_error_is_still_an_error() -> None:
    raw = msgspec.Raw(msgspec.msgpack.encode({"code": "from-the-future", "title": "Odd."}))
    assert protocol.error_in(raw).title == "Odd."
    assert not isinstance(protocol.error_in(raw), Refused)
