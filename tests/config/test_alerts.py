"""`[[profiles.NAME.alerts]]`: what is right, what is wrong, and what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.config import Options, load, report
from lazycelery.errors import UsageError


def loaded(tmp_path: Path, body: str, environ: dict[str, str] | None = None):
    path = tmp_path / "config.toml"
    path.write_text(f'[profiles.a]\nbroker = "redis://b/0"\n[[profiles.a.alerts]]\n{body}\n')
    return load(Options(config=str(path)), environ or {})


def test_a_target_with_its_defaults(tmp_path: Path) -> None:
    [target] = loaded(tmp_path, 'name = "x"\ncommand = ["page", "--me"]').profile.alerts
    assert (target.command, target.least, target.cool_down, target.recovery) == (
        ["page", "--me"],
        "warning",
        3600,
        True,
    )


def test_a_secret_url_comes_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    secret = "https://hooks.example/services/T0/B0/s3cret"
    settings = loaded(tmp_path, 'name = "x"\nslack = "${HOOK}"\nleast = "critical"', {"HOOK": secret})
    assert settings.profile.alerts[0].slack == secret
    told = str(report.rows(settings)) + report.export(settings)
    assert "s3cret" not in told and "hooks.example" in told and "critical" in told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('name = "x"', "one of command, webhook, slack, terminal"),
        ('name = "x"\ncommand = ["a"]\nslack = "https://h/x"', "command and slack"),
        ('name = "x"\ncommand = "a b"', "alerts should be"),
        ('name = "x"\nwebhook = "ftp://h/x"', "http:// or https://"),
        ('name = "x"\nwebhook = "https://u:s3cret@h/x"', "without credentials in a URL"),
        (
            'name = "x"\nwebhook = "https://h/x"\nauthorization_env = "Bearer s3cret"',
            "the name of a variable",
        ),
        ('name = "x"\ncommand = ["a"]\nauthorization_env = "TOKEN"', "no webhook"),
        ('name = "x"\ncommand = ["a"]\ncodes = ["worker-lots"]', "matches none"),
        ('name = "x"\ncommand = ["a"]\nleast = "loud"', "alerts should be"),
        ('name = "x"\ncommand = ["a"]\ncooldown = 3', "alerts should be"),
        ('name = "x"\ncommand = ["a"]\ntimeout = 0', "timeout up to 300"),
        ('name = "x"\ncommand = ["a"]\n[[profiles.a.alerts]]\nname = "x"\ncommand = ["b"]', "each otherwise"),
    ],
)
def test_what_is_wrong_is_told_without_what_is_secret(tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(UsageError) as problem:
        loaded(tmp_path, body)
    assert told in str(problem.value) and "s3cret" not in str(problem.value)
