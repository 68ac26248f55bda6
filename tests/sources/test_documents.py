"""Result documents: whole, cut, odd and hostile."""

from __future__ import annotations

import json
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.model.moments import epoch
from lazycelery.sources.results.documents import children, read_document
from tests.sources.test_wire import json_values

SUCCESS = {
    "status": "SUCCESS",
    "result": {"n": 5},
    "traceback": None,
    "children": [[["kid", None], None], [["group", None], [[["m1", None], None], [["m2", None], None]]]],
    "date_done": "2026-11-21T01:29:27.580135+00:00",
    "parent_id": "p",
    "task_id": "t",
    "name": "shop.add",
    "args": [1, 2],
    "kwargs": {},
    "worker": "w1@h",
    "retries": 0,
    "queue": "celery",
}


def test_a_document_is_read_with_all_its_fields() -> None:
    report = read_document("t", json.dumps(SUCCESS).encode())
    assert report is not None and report.result == {"n": 5} and report.args == [1, 2]
    assert report.children == ["kid", "m1", "m2"] and report.parent_id == "p" and not report.cut
    assert report.date_done == pytest.approx(1795224567.580135) and report.worker == "w1@h"


def test_a_large_document_is_cut_and_still_tells_state_and_time() -> None:
    data = json.dumps({**SUCCESS, "result": "x" * 10_000_000}).encode()
    report = read_document("t", data)
    assert report is not None and report.cut and report.size == len(data)
    assert report.status == "SUCCESS" and report.result.startswith('"xxx') and len(report.result) < 20_000
    assert report.date_done is not None and report.worker == "w1@h" and report.name == "shop.add"


def test_arguments_that_are_not_exact_are_unknown_and_not_wrong() -> None:
    report = read_document("t", json.dumps({**SUCCESS, "args": [2**70]}).encode())
    assert report is not None and report.args is None


def test_a_pickled_document_tells_its_state_alone() -> None:
    report = read_document("t", pickle.dumps({"status": "FAILURE", "result": ValueError("x")}))
    assert report is not None and report.status == "FAILURE" and report.result is None


def test_times_without_zone_are_utc_and_nonsense_is_unknown() -> None:
    assert epoch("2026-11-21T01:29:27") == epoch("2026-11-21T01:29:27Z") == epoch("2026-11-21T02:29:27+01:00")
    assert (
        epoch("soon") is None
        and epoch(5) is None
        and epoch("0001-01-01T00:00:00+23:59") in (None, epoch("0001-01-01T00:00:00+23:59"))
    )


@given(json_values)
def test_no_children_break_the_reader(value: object) -> None:
    assert all(isinstance(child, str) for child in children(value))


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(list(SUCCESS)), json_values).map(json.dumps).map(str.encode)
)
def test_no_document_breaks_the_reader(data: bytes) -> None:
    msgspec.msgpack.encode(read_document("t", data))
