"""Frames over pipes, by threads."""

from __future__ import annotations

import asyncio
import os

from lazycelery.engine.pipe import Pipe


def ends() -> tuple[object, object]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


async def test_frames_arrive_whole_and_in_order_and_the_end_is_told() -> None:
    there_r, here_w = ends()
    here_r, there_w = ends()
    got: list[bytes] = []
    ended = asyncio.Event()
    receiver = Pipe(there_r, there_w, got.append, ended.set)
    sender = Pipe(here_r, here_w, lambda body: None, lambda: None)
    bodies = [b"a", b"x" * 300_000, b""]
    for body in bodies:
        sender.send(len(body).to_bytes(4, "big") + body)
    sender.close()
    await asyncio.wait_for(ended.wait(), 5)
    assert got == bodies
    receiver.close()


async def test_a_frame_of_absurd_length_ends_the_link() -> None:
    reading, writing = ends()
    ended = asyncio.Event()
    got: list[bytes] = []
    Pipe(reading, ends()[1], got.append, ended.set)
    writing.write(b"\xff\xff\xff\xffxx")
    writing.flush()
    await asyncio.wait_for(ended.wait(), 5)
    assert got == []


async def test_sending_never_waits_for_a_stopped_reader() -> None:
    _, writing = ends()
    pipe = Pipe(ends()[0], writing, lambda body: None, lambda: None)
    for _ in range(100):
        pipe.send(b"\0" * 100_000)  # Far beyond what a pipe holds.
    pipe.close(0.1)
