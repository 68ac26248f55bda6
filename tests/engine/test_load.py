"""What the monitor itself costs."""

from __future__ import annotations

import pytest

from lazycelery.engine import load
from lazycelery.engine.load import LoadMeter


def test_rates_of_a_command_that_ends_before_a_second_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """`status --json` takes about a second in all."""
    sent, now, cpu = [0], [100.0], [5.0]
    monkeypatch.setattr(load.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(load.time, "process_time", lambda: cpu[0])
    meter = LoadMeter(lambda: sent[0])
    assert (meter.read().cpu, meter.read().commands_per_second) == (None, None)
    meter.sample()
    now[0] += 0.1
    assert meter.read().cpu is None
    now[0], cpu[0], sent[0] = 100.5, 5.1, 40
    told = meter.read()
    assert (told.cpu, told.commands_per_second) == (pytest.approx(0.2), 80.0)
    now[0], cpu[0], sent[0] = 101.0, 5.2, 50
    meter.sample()
    now[0] += 0.9  # Rates are those of the samples from now on.
    assert meter.read().commands_per_second == 50.0
