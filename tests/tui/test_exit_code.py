"""The screen's exit code."""

from __future__ import annotations

import pytest

from lazycelery.tui import exit_code


@pytest.mark.parametrize(
    ("given", "returned", "code"), [(0, 0, 0), (3, 3, 3), (None, 0, 0), (None, 1, 1), (None, None, 1)]
)
def test_an_end_that_nobody_asked_for_is_an_error(given: int | None, returned: int | None, code: int) -> None:
    assert exit_code(given, returned) == code
