"""`lazycelery config`."""

from __future__ import annotations

import json

import pytest

from lazycelery.config import toml


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[profiles.shop]\nbroker = "redis://:hunter2@db/0"\nallow = ["retry"]\n')
    path.chmod(0o600)
    return path


def test_init_path_check_go_together(run, tmp_path):
    path = tmp_path / "new.toml"
    where = ("--config", str(path))
    assert run("config", "path", *where).code == 1
    ran = run("config", "init", *where)
    assert (ran.code, ran.out) == (0, f"{path}\n")
    assert run("config", "init", *where).code == 2
    assert run("config", "path", *where).code == 0
    assert run("config", "path", "--json", *where).json == {
        "path": str(path),
        "origin": "--config",
        "exists": True,
    }
    assert run("config", "check", *where).code == 0


def test_show_gives_each_value_its_origin_and_no_secret(run, file):
    ran = run("config", "show", "--config", str(file), "--timeout", "9", broker=False)
    lines = {line.split()[0]: line for line in ran.out.splitlines()}
    assert "--timeout" in lines["timeout"]
    assert "profiles.shop.broker in c.toml line 2" in lines["broker"]
    assert lines["max_tasks"].endswith("default")
    assert "hunter2" not in ran.out + ran.err
    assert "plain text" in ran.err
    told = run("config", "show", "--json", "--config", str(file), broker=False).json
    assert {"key": "allow", "value": ["retry"], "origin": "profiles.shop.allow in c.toml line 3"} in told


def test_show_works_without_a_broker_or_a_file(run):
    assert run("config", "show", broker=False).code == 0


def test_check_tells_every_profile_that_is_wrong(run, tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(
        '[profiles.a]\nbroker = "redis://${NOPE_A}"\n[profiles.b]\nbroker = "redis://${NOPE_B}"\n'
    )
    ran = run("config", "check", "--config", str(path))
    assert ran.code == 2
    assert "NOPE_A" in ran.err
    assert "NOPE_B" in ran.err
    told = run("config", "check", "--json", "--config", str(path)).json
    assert len(told["errors"]) == 2


def test_check_needs_a_file(run):
    assert run("config", "check").code == 2


def test_export_is_toml_without_the_password(run, file):
    ran = run("config", "export", "--config", str(file), broker=False)
    data = toml.loads(ran.out)
    assert data["profiles"]["shop"]["broker"] == "redis://:${LAZYCELERY_PASSWORD}@db/0"
    assert "hunter2" not in ran.out


def test_an_export_holds_nothing_raw_that_harms_a_terminal(run, tmp_path):
    evil = "a\x1b]0;x\x07\x7f\x9b\u202e\U000e0001=1"
    path = tmp_path / "evil.toml"
    written = json.dumps(evil).replace("\\udb40\\udc01", "\\U000e0001")
    path.write_text(f"[profiles.{written}]\nbroker = 'redis://db/0'\nprefix = {written}\n")
    ran = run("config", "export", "--config", str(path), "--profile", evil, broker=False)
    assert ran.code == 0 and not set(ran.out) & set("\x1b\x07\x7f\x9b\u202e\U000e0001")
    data = toml.loads(ran.out)
    assert data["default_profile"] == evil and data["profiles"][evil]["prefix"] == evil


def test_audit_needs_no_broker(engine, run):
    assert run("audit", broker=False).code == 1
    assert not engine.started


def test_with_several_profiles_and_no_choice_the_hint_names_them(run, tmp_path):
    path = tmp_path / "two.toml"
    path.write_text('[profiles.dev]\nbroker = "redis://d/0"\n[profiles.prod]\nbroker = "redis://p/0"\n')
    done = run("--config", str(path), "status", broker=False)
    assert done.code == 2 and "--profile dev | prod" in done.err
