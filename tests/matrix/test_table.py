"""No action and no broker is left out of the matrix, and the page tells what it holds."""

from __future__ import annotations

from typing import get_args

from lazycelery.actions.service import DRAFTS
from lazycelery.engine.engine import NEEDS
from lazycelery.model.action import ActionName
from lazycelery.sources.kombu.transports import TRANSPORTS
from tests.matrix.deeds import DEEDS, WHOLE
from tests.matrix.expected import CANVAS, ELSEWHERE, PLACES, REFUSED, table
from tests.support.fleet import ROOT


def test_every_action_and_every_transport_has_its_place() -> None:
    assert {*DEEDS} == {*get_args(ActionName)} == {*DRAFTS}
    assert {each.scheme for each in TRANSPORTS} == ({*PLACES} - {"redis", "classic", "quorum"}) | ELSEWHERE
    assert (*WHOLE,) == CANVAS
    assert {action for action, _ in REFUSED} <= {*DEEDS, *WHOLE} and {place for _, place in REFUSED} <= {
        *PLACES
    }
    assert {*NEEDS} <= {*DEEDS}


def test_the_table_of_the_docs_is_the_one_that_the_matrix_makes() -> None:
    page = (ROOT / "docs" / "brokers.md").read_text(encoding="utf-8")
    assert table() in page, "python -m tests.matrix.expected prints it"
