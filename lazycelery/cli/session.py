"""An engine in this process for the length of one command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

import click

from lazycelery.cli.options import Said, said
from lazycelery.cli.output import Output
from lazycelery.errors import ConnectionProblem, LazyCeleryError, UsageError
from lazycelery.signals import CUT_OFF, ENDS, interrupts, on_signal

if TYPE_CHECKING:
    from lazycelery.config import Settings
    from lazycelery.engine.api import EngineApi
    from lazycelery.model.cluster import Overview
    from lazycelery.model.profile import Profile


class Session(NamedTuple):
    """What a one-shot command works with."""

    engine: EngineApi
    overview: Overview
    settings: Settings
    output: Output

    @property
    def patience(self) -> float:
        """Seconds that workers had to answer."""
        return self.settings.profile.timeout


async def open_engine(profile: Profile, start: bool = True) -> EngineApi:
    """An engine; one that is not started touches no network. The one place that makes one."""
    from lazycelery.engine.engine import Engine

    engine = Engine(profile)
    if start:
        await engine.start()
    return engine


T = TypeVar("T")
TERMINATED = CUT_OFF + 15
"""Exit code after SIGTERM or SIGHUP, as shells know it."""
_NOWHERE = "redis://localhost"
UNRECORDED = ("recording-ended", "recording-gap")
"""Notices that what was to be recorded is not."""
"""Stands for a broker where none is contacted."""
Body = Callable[[Session], Awaitable[int]]
"""What a command does with its session; returns the exit code."""
CutOff = Callable[[Session, ConnectionProblem], Awaitable[int]]
"""The same when the broker cannot be reached."""


def one_shot(
    context: click.Context,
    body: Body,
    observe: float = 0.0,
    connect: bool = True,
    cut_off: CutOff | None = None,
    broker: bool = False,
    lasting: bool = False,
) -> int:
    """Load the settings, open an engine, wait for first truth (and `observe` seconds), run `body`.

    Without `connect` nothing touches the network: `body` asks only what is known without it; `broker`
    where it must be known all the same whose that is. `cut_off` has something to say when the broker
    cannot be reached. A `lasting` command records the history, as the screen does.
    """
    from lazycelery.config import load

    words = said(context)
    output = make_output(words)
    settings = load(words.config_options())
    output.notes(f"Warning: {warning}" for warning in settings.warnings)
    if connect or broker:
        require_broker(settings)
    if connect:
        set_recording(words, settings)
        settings.profile.recorder = lasting
    elif words.record:
        raise UsageError(
            "Nothing is watched here, so that there is nothing to record.",
            "The screen, and commands that connect, record with --record FILE.",
        )
    work = _connected(settings, output, body, observe, cut_off) if connect else _alone(settings, output, body)
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        return TERMINATED


def each_of(context: click.Context, names: list[str], body: Callable[[list[Overview], Output], int]) -> int:
    """An engine for each of several profiles, all at once; `body` gets what each of them knew first.

    One that cannot be reached holds up nothing: its overview says why.
    """
    from lazycelery.cli import several

    words = said(context)
    output = make_output(words)
    settings = [several.settings_of(name, words) for name in names]
    for one in settings:
        output.notes(f"Warning: {warning}" for warning in one.warnings)
        require_broker(one)

    async def look() -> int:
        _end_politely()
        return body(list(await asyncio.gather(*(_glance(one.profile) for one in settings))), output)

    try:
        return asyncio.run(look())
    except asyncio.CancelledError:
        return TERMINATED


async def _glance(profile: Profile) -> Overview:
    async with _engine(profile) as engine:
        try:
            return await engine.ready(_first_truth(profile))
        except ConnectionProblem:
            return await engine.overview()


def set_recording(words: Said, settings: Settings) -> None:
    """Have the engine record, where `--record` says so. Raises `UsageError` for a file that is there."""
    if not words.record:
        return
    target = os.path.abspath(os.path.expanduser(words.record))
    if os.path.exists(target):
        raise UsageError(f"{words.record} is already there.", "A recording is always a new file.")
    settings.profile.record = target


def make_output(words: Said) -> Output:
    """The way out that the common options ask for."""
    return Output(as_json=bool(words.json), no_color=bool(words.no_color))


def of_profile(ctx: click.Context) -> tuple[Output, Settings]:
    """What a command needs that tells of a profile's own files and asks no broker. Raises as `load`, and
    where no broker is named."""
    from lazycelery.config import load

    words = said(ctx)
    settings = load(words.config_options(), fetch_secrets=False)
    require_broker(settings)
    return make_output(words), settings


def require_broker(settings: Settings) -> None:
    """Raise `UsageError` with what was tried when no broker is known."""
    if not settings.profile.broker:
        tried = "".join(f"\n  {line}" for line in settings.tried)
        example = (
            f"Choose a profile: --profile {' | '.join(settings.profiles)}"
            if settings.profiles
            else "Try: lazycelery --broker redis://localhost:6379/0   or: lazycelery demo"
        )
        raise UsageError("No broker is known.", f"Looked for it here:{tried}\n{example}")


async def _connected(
    settings: Settings, output: Output, body: Body, observe: float, cut_off: CutOff | None
) -> int:
    _end_politely()
    async with _engine(settings.profile) as engine:
        try:
            overview = await engine.ready(_first_truth(settings.profile), observe)
        except ConnectionProblem as problem:
            if cut_off is None:
                raise
            return await cut_off(Session(engine, await engine.overview(), settings, output), problem)
        code = await body(Session(engine, overview, settings, output))
        if settings.profile.record:
            output.notes([one.title for one in (await engine.overview()).notices if one.code in UNRECORDED])
        return code


async def _alone(settings: Settings, output: Output, body: Body) -> int:
    from lazycelery.model.cluster import Overview

    settings.profile.broker = settings.profile.broker or _NOWHERE
    async with _engine(settings.profile, start=False) as engine:
        return await body(Session(engine, Overview(), settings, output))


def _first_truth(profile: Profile) -> float:
    """Seconds for connecting, and then for the workers' answers."""
    return 2 * profile.timeout + 1


def _end_politely() -> None:
    """SIGTERM and SIGHUP cancel, so that the engine puts back what it changed."""
    if (task := asyncio.current_task()) is not None:
        for name in ENDS:
            on_signal(name, lambda _: task.cancel())


class BrokenOff(LazyCeleryError):
    """Ctrl-C a second time, while something was being finished."""

    exit_code: ClassVar[int] = 130
    code: ClassVar[str] = "interrupted"


async def to_its_end(
    begun: Awaitable[T], output: Output, halt: Callable[[], Awaitable[bool]] | None = None
) -> T:
    """What was begun is finished: a first Ctrl-C or SIGTERM only says so (and has what goes page by page
    stop, by `halt`), a second breaks off.

    Raises `BrokenOff` then: how far it came is not known here.
    """
    work = asyncio.ensure_future(begun)
    task = asyncio.current_task()
    with interrupts(lambda _: task.cancel() if task else None):
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.cancelled():
                raise
        stops = halt is not None and await halt()
        what = "Stopping after the page under way" if stops else "Finishing what was begun"
        output.note(f"{what} … Ctrl-C again breaks it off.")
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            raise BrokenOff(
                "Broken off: how far it came is not known.",
                "`lazycelery audit` tells what was begun, `lazycelery plan list` what can be resumed; "
                "a purge is taken up by restoring its .part file.",
            ) from None


@asynccontextmanager
async def _engine(profile: Profile, start: bool = True) -> AsyncIterator[EngineApi]:
    engine = await open_engine(profile, start)
    try:
        yield engine
    finally:
        # A script must end, also when a broker that hangs keeps the engine from ending well.
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(engine.close(), profile.timeout + 1)
