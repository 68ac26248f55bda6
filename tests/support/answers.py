"""What a terminal answers when it is asked where its cursor is."""

from __future__ import annotations

import re

QUESTION = re.compile(rb"\x1b\[(\d+);(\d+)H\x1b\[6n")
"""The cursor goes to a place, and is asked for."""
LONGEST = 15
"""Bytes of a question, at most."""


class Answers:
    """Finds the questions in what a program writes, also where a read cuts one in two."""

    def __init__(self) -> None:
        self._tail = b""

    def to(self, data: bytes) -> bytes:
        """The answers to the questions that end in these bytes."""
        whole = self._tail + data
        answers, end = b"", 0
        for found in QUESTION.finditer(whole):
            answers += b"\x1b[%s;%sR" % found.groups()
            end = found.end()
        self._tail = whole[end:][-LONGEST:]
        return answers
