"""Targets in a profile: read, checked with their lines, shown and exported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lazycelery.config.report import export


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('wait = "soon"', 4, 'profiles.shop.sla."shop.*".wait should be a span like 5s'),
        ("success = 1.0", 4, 'profiles.shop.sla."shop.*".success should be a share above 0 and below 1'),
        ('latency = "5s"\nwait = 1', 4, 'profiles.shop.sla."shop.*".latency should be one of wait'),
        ('wait = 1\nwindow = "90d"', 5, 'profiles.shop.sla."shop.*".window should be a span from 1h to 30d'),
        ("share = 0.9", 3, 'profiles.shop.sla."shop.*" should be a table with wait, runtime or success'),
    ],
)
def test_a_wrong_target_is_told_with_its_line(
    refused: Callable[[str], Exception], text: str, line: int, said: str
) -> None:
    error = refused(f'[profiles.shop]\nbroker = "redis://a/0"\n[profiles.shop.sla."shop.*"]\n{text}\n')
    assert f"line {line}: {said}" in str(error)


def test_targets_are_read_shown_and_exported(loaded: Callable[..., object]) -> None:
    text = (
        '[profiles.shop]\nbroker = "redis://a/0"\n'
        '[profiles.shop.sla."shop.*"]\nwait = "500ms"\nruntime = "2m"\nsuccess = 0.999\nwindow = "1d"\n'
    )
    settings = loaded(text, profile="shop")
    sla = {"shop.*": {"wait": 0.5, "runtime": 120.0, "success": 0.999, "window": 86_400.0}}
    assert settings.profile.sla == sla  # type: ignore[attr-defined]
    assert loaded(export(settings), profile="shop").profile.sla == sla  # type: ignore[arg-type,attr-defined]
