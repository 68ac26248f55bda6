"""Options, errors, exit codes, and what is loaded for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lazycelery.cli import main
from lazycelery.cli.borrowed import BORROWED
from lazycelery.cli.root import COMMANDS, root
from lazycelery.config import Options, load

PYTHON = [sys.executable, "-m", "lazycelery"]


@pytest.mark.parametrize("place", ["before", "after", "both"])
def test_common_options_stand_before_or_after_the_command(engine, run, place):
    before = ["--json", "--timeout", "7", "--allow", "retry,revoke"]
    after = {"before": [], "after": before, "both": ["--timeout", "8", "--allow", "purge"]}[place]
    ran = run(*([] if place == "after" else before), "workers", *after)
    assert ran.json[0]["name"] == "w1@a"
    assert engine.profile.timeout == (8.0 if place == "both" else 7.0)
    assert engine.profile.allow == ["retry", "revoke"] + (["purge"] if place == "both" else [])


def test_options_of_one_run_do_not_leak_into_the_next(engine, run):
    run("workers", "--allow", "retry", "--json")
    assert run("workers").out.startswith("WORKER")
    assert engine.profile.allow == []


def test_every_command_takes_the_common_options():
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        commands = [command, *(command.commands.values() if isinstance(command, click.Group) else [])]
        for one in commands:
            options = {option for parameter in one.params for option in parameter.opts}
            assert {"--broker", "--backend", "--profile", "--config", "--allow", "--read-only"} <= options, (
                one.name
            )
            assert {"--json", "--timeout", "--no-color"} <= options, one.name


def test_the_help_of_the_group_and_of_its_commands_agree():
    context = click.Context(root)
    for name, entry in COMMANDS.items():
        assert root.get_command(context, name).name == name
        assert entry.help.endswith(".")


def test_without_a_broker_it_ends_with_2_and_tells_what_was_tried(run):
    ran = run("workers", broker=False)
    assert (ran.code, ran.out) == (2, "")
    assert "$CELERY_BROKER_URL: not set" in ran.err
    assert "lazycelery --broker redis://localhost:6379/0" in ran.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["wrkers"], "Did you mean workers?"),
        (["ping"], "Here it is: lazycelery worker ping"),
        (["control", "pool_grow", "2"], "Here it is: lazycelery worker pool grow"),
        (["control", "-d", "w1@host", "rate-limit"], "Here it is: lazycelery worker rate-limit"),
        (["inspect"], "Here it is: lazycelery workers"),
        (["undo"], "An outcome names the command that undoes it"),
        (["redis://:hunter2@db/0"], "--broker URL"),
        (["workers", "--brokr", "x"], "--broker"),
        (["tasks", "--limit", "many"], "--limit"),
        (["peek"], "QUEUE"),
        (["--config", "/nowhere.toml", "workers"], "/nowhere.toml"),
        (["--allow", "retyr", "workers"], "Did you mean retry?"),
    ],
)
def test_wrong_usage_ends_with_2_and_helps(run, args, words):
    ran = run(*args)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert "hunter2" not in ran.err
    told = json.loads(run("--json", *args).err)
    assert (told["code"], list(told)) == ("usage", ["error", "hint", "code"])


def test_what_is_said_of_a_borrowed_word_exists() -> None:
    for word, here in BORROWED.items():
        command: click.Command = root
        for part in here.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), part)
            assert found is not None, (word, here)
            command = found


def test_an_unexpected_error_is_one_line_without_a_credential(engine, run):
    engine.problem = RuntimeError("cannot reach redis://:hunter2@db/0 password=hunter2")
    ran = run("workers")
    assert (ran.code, ran.out) == (1, "")
    assert "Unexpected RuntimeError at fake_engine.py" in ran.err
    assert "--debug" in ran.err
    assert "Traceback" not in ran.err
    debug = run("workers", "--debug")
    assert "Traceback" in debug.err
    assert "hunter2" not in ran.err + debug.err


def test_ctrl_c_ends_quietly_with_130(engine, run):
    engine.problem = KeyboardInterrupt()
    ran = run("workers")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "")


@pytest.mark.parametrize("args", [[], ["demo"]])
def test_the_screen_needs_a_terminal(run, args):
    ran = run(*args)
    assert (ran.code, ran.out) == (2, "")
    assert "needs a terminal" in ran.err
    assert "lazycelery status" in ran.err


@pytest.mark.parametrize("term", ["dumb", ""])
def test_the_screen_refuses_a_terminal_without_a_cursor(run, monkeypatch, term):
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    ran = run()
    assert ran.code == 2
    assert "cannot place a cursor" in ran.err


def test_version_and_help_need_little_more_than_python_itself():
    """A tenth of a second where Python needs a fiftieth; side by side, as machines are slow at times."""
    import resource

    def cpu(*args: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*PYTHON[:1], *args], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    for option in ("--version", "--help"):
        runs = [(cpu(*PYTHON[1:], option), cpu("-c", "")) for _ in range(7)]
        ours, bare = map(min, zip(*runs, strict=True))
        assert ours < 6 * bare


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["workers", "--help"], ["retry", "--help"]])
def test_help_loads_nothing_heavy(args):
    code = (
        "import sys; from lazycelery.cli import main; main(sys.argv[1:]);"
        "heavy = {'textual', 'redis', 'numpy', 'msgspec', 'kombu', 'celery', 'rich', 'pika'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_ends_quietly():
    shell = f"{sys.executable} -m lazycelery --help | true"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_main_is_callable_with_arguments(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lazycelery ")


def test_an_answer_that_a_plain_ascii_terminal_cannot_show_is_still_given():
    env = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"}
    command = [*PYTHON, "config", "path", "--config", "/nowhere/ü.toml"]
    done = subprocess.run(command, capture_output=True, env=env, check=False)
    assert (done.returncode, done.stdout) == (1, b"/nowhere/?.toml\n")


def test_the_documentation_names_every_command_and_option():
    text = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    context = click.Context(root)
    options = {option for parameter in root.params for option in parameter.opts} - {"--version"}
    assert [name for name in [*COMMANDS, *sorted(options)] if name not in text] == []
    for name in COMMANDS:
        assert root.get_command(context, name).help


def test_ascii_reaches_the_configuration_of_whatever_opens_the_screen(monkeypatch):
    monkeypatch.setenv("LAZYCELERY_ASCII", "0")
    assert load(Options()).ui.ascii is False
    main(["--ascii", "config", "path"])
    assert load(Options()).ui.ascii is True
