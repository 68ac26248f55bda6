"""Several profiles on one command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.cli import main, session
from lazycelery.cli.options import Said
from lazycelery.cli.several import named, settings_of
from lazycelery.errors import ConnectionProblem, UsageError
from lazycelery.model.cluster import Notice, Overview, SourceHealth
from lazycelery.model.profile import Profile
from tests.cli.conftest import Ran
from tests.cli.fake_engine import FakeEngine


class Place(FakeEngine):
    """One of several clusters."""

    def __init__(self, profile: Profile, reachable: bool, workers: bool) -> None:
        super().__init__()
        self.profile, self.reachable = profile, reachable
        if not workers:
            self.all_workers = []
        if not reachable:
            self.problem = ConnectionProblem("db refused.", "Is it running?")
            self.sources = [SourceHealth(name="broker", state="refused", reason="db refused.")]

    async def overview(self) -> Overview:
        overview = await super().overview()
        overview.profile, overview.connected = self.profile.name, self.reachable
        overview.backlog = 1204 if self.reachable else None
        if not self.reachable:
            overview.notices = [Notice(code="broker-unreachable", severity="critical", title="db refused.")]
        return overview


@pytest.fixture
def status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """`lazycelery status` on profiles a, b, c; `down` cannot be reached, `empty` have no worker."""
    path = tmp_path / "c.toml"
    path.write_text("".join(f'[profiles.{name}]\nbroker = "redis://{name}/0"\n' for name in "abc"))
    opened: list[Place] = []

    def go(*words: str, down: str = "", empty: str = "") -> Ran:
        async def open_engine(profile: Profile, start: bool = True) -> Place:
            opened.append(Place(profile, profile.name not in down, profile.name not in empty))
            return opened[-1]

        monkeypatch.setattr(session, "open_engine", open_engine)
        code = main(["--config", str(path), "status", *words])
        assert all(one.closed for one in opened)
        return Ran(code, *capsys.readouterr())

    return go


def test_a_line_for_each_in_the_order_they_were_named(status: Callable[..., Ran]) -> None:
    ran = status("-p", "b", "-p", "a")
    lines = ran.out.splitlines()
    assert ran.code == 0 and len(lines) == 3
    assert lines[1].split()[:4] == ["b", "connected", "1/1", "1,204"] and lines[2].split()[0] == "a"


def test_json_is_a_list_and_one_that_cannot_be_reached_is_in_it(status: Callable[..., Ran]) -> None:
    ran = status("-p", "a", "-p", "b", "--json", down="b")
    assert [(one["profile"], one["connected"], one["backlog"]) for one in ran.json] == [
        ("a", True, 1204),
        ("b", False, None),
    ]
    assert ran.json[1]["sources"][0]["reason"] == "db refused."


@pytest.mark.parametrize(
    ("down", "empty", "code"), [("", "", 0), ("", "b", 1), ("b", "", 5), ("ab", "", 3), ("b", "a", 5)]
)
def test_the_exit_code_tells_whether_all_is_there(
    status: Callable[..., Ran], down: str, empty: str, code: int
) -> None:
    assert status("-p", "a", "-p", "b", down=down, empty=empty).code == code


def test_one_profile_is_told_as_ever(status: Callable[..., Ran]) -> None:
    assert status("-p", "a").out.startswith("broker")
    assert status("-p", "a", "-p", "a").out.startswith("broker")


@pytest.mark.parametrize("option", ["--allow=retry", "--broker=redis://x/0", "--backend=redis://x/1"])
def test_what_could_be_meant_for_one_of_them_only_is_refused(status: Callable[..., Ran], option: str) -> None:
    ran = status("-p", "a", "-p", "b", option)
    assert ran.code == 2 and "it is not said for which one" in ran.err


def test_an_unknown_profile_among_them_is_an_error(status: Callable[..., Ran]) -> None:
    ran = status("-p", "a", "-p", "x")
    assert ran.code == 2 and "has no profile x" in ran.err


@pytest.mark.parametrize(
    "command", ["workers", "queues", "tasks", "events", "purge q", "config show", "demo --headless"]
)
def test_commands_that_look_at_one_cluster_say_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "-p", "a", "-p", "b"]) == 2
    assert "One profile at a time" in capsys.readouterr().err


def test_what_the_environment_says_of_one_broker_goes_to_none_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[profiles.a]\nbroker = "redis://a/0"\n[profiles.b]\nbroker = "redis://b/0"\n')
    monkeypatch.setenv("LAZYCELERY_BROKER", "redis://elsewhere/0")
    monkeypatch.setenv("LAZYCELERY_ALLOW", "all")
    words = Said()
    words.values = {"config": str(path), "profiles": ["a", "b"], "read_only": True}
    for name in named(words):
        profile = settings_of(name, words).profile
        assert (profile.broker, profile.allow, profile.may_unlock) == (f"redis://{name}/0", [], [])


def test_a_later_place_names_other_profiles(status: Callable[..., Ran]) -> None:
    words = Said()
    words.values = {"profiles": ["a", "b"], "allow": ["retry"]}
    with pytest.raises(UsageError, match="--allow with several profiles"):
        named(words)
    words.values["profiles"] = ["a"]
    assert named(words) == []
