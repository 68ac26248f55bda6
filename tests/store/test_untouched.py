"""Memory for columns is nought and can be written, whatever pages it has."""

from __future__ import annotations

import numpy as np
import pytest

from lazycelery.store.untouched import HUGE, room, untouched

PAGE = HUGE // 8


@pytest.mark.parametrize("length", [0, 1, PAGE, PAGE + 1, 3 * PAGE - 1])
@pytest.mark.parametrize("soon", [0, 1, PAGE // 2, PAGE, 3 * PAGE - 1])
def test_all_of_it_is_nought_and_can_be_written(length, soon):
    numbers = untouched(length, np.int64, min(soon, length))
    assert len(numbers) == length and not numbers.any()
    numbers[:] = np.arange(length)
    assert (numbers == np.arange(length)).all()


@pytest.mark.parametrize("length", [0, 1, PAGE - 1, PAGE, 5 * PAGE + 7])
@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_room_is_as_long_as_asked_for(length, kind):
    numbers = room(length, kind)
    numbers[:] = 7
    assert numbers.dtype == kind and len(numbers) == length and (numbers == 7).all()
