"""The figures are kept. Needs a quiet machine."""

from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import LONG, MEASURES, measure


@pytest.mark.soak
@pytest.mark.broker
@pytest.mark.parametrize("name", [name for name in MEASURES if name not in LONG])
def test_figures_are_kept(name: str) -> None:
    missed = [figure.line() for figure in measure(name) if not figure.kept]
    assert missed == []
