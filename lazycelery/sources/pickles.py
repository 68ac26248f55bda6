"""Pickles, without ever executing one: their strings, and control replies of plain values."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from lazycelery.sources.jsontext import Plain, Unreadable, plain

MAX_STRINGS = 200
MAX_TEXT = 4096
"""Characters kept of one string."""
MAX_OPCODES = 20_000
MAX_REPLY = 1_000_000
"""Bytes of a pickled control reply that we read."""

_PLAIN = """
    PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4
    FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 BINBYTES
    SHORT_BINBYTES BINBYTES8 EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT
    DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
"""
PLAIN_OPCODES = frozenset(_PLAIN.split())
"""Opcodes that build numbers, text and containers, and can name no class and call nothing."""
CALLING_OPCODES = frozenset({"GLOBAL", "STACK_GLOBAL", "REDUCE"})
"""What the one class below needs: `stats` counts tasks in a Counter."""


def strings(data: bytes) -> tuple[list[str], bool]:
    """Texts inside a pickle, in order, and whether that is all of them. Never raises, runs nothing."""
    found: list[str] = []
    opcodes = _opcodes(data)
    for _ in range(MAX_OPCODES):
        try:
            name, argument = next(opcodes)
        except StopIteration:
            return found, True
        except (ValueError, IndexError, OverflowError, UnicodeError, TypeError):
            return found, False
        if isinstance(argument, str) and "UNICODE" in name:
            found.append(argument[:MAX_TEXT].encode("utf-8", "replace").decode())
            if len(found) >= MAX_STRINGS:
                break
    return found, False


def load_plain(data: bytes) -> Plain:
    """A small pickle of plain values and counters. Raises `Unreadable` for any other."""
    if len(data) > MAX_REPLY:
        raise Unreadable("it is a pickle larger than 1 MB")
    try:
        for name, argument in _opcodes(data):
            if name not in PLAIN_OPCODES | CALLING_OPCODES:
                raise Unreadable("it is a pickle with objects in it")
            # A memo index far beyond the data would make the unpickler allocate gigabytes.
            if name.endswith("PUT") and int(argument or 0) > len(data):
                raise Unreadable("it is a pickle with impossible references")
        return plain(_PlainUnpickler(io.BytesIO(data)).load())
    except Unreadable:
        raise
    except Exception:  # an unpickler meets hostile bytes with any exception it likes
        raise Unreadable("it is a broken pickle") from None


def _opcodes(data: bytes) -> Iterator[tuple[str, Any]]:
    for opcode, argument, _ in pickletools.genops(data):
        yield opcode.name, argument


class _PlainUnpickler(pickle._Unpickler):
    """Tuples become lists. A tuple of tuples may be built small and hash for minutes; a list cannot be a
    key at all."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "Counter"):
            return dict
        raise Unreadable("it is a pickle with objects in it")

    def persistent_load(self, pid: Any) -> Any:
        raise Unreadable("it is a pickle with objects in it")


def _listed(number: int) -> Callable[[Any], None]:
    """The last values of the stack as a list."""

    def build(unpickler: Any) -> None:
        stack = unpickler.stack
        items = stack[len(stack) - number :]
        del stack[len(stack) - number :]
        stack.append(items)

    return build


def _marked(unpickler: Any) -> None:
    items = unpickler.pop_mark()  # This changes what `append` appends to.
    unpickler.append(items)


_PlainUnpickler.dispatch.update(
    {
        pickle.TUPLE[0]: _marked,
        pickle.EMPTY_TUPLE[0]: _listed(0),
        pickle.TUPLE1[0]: _listed(1),
        pickle.TUPLE2[0]: _listed(2),
        pickle.TUPLE3[0]: _listed(3),
    }
)
