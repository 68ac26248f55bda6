"""Every message a person can see: a title that says what is wrong, a hint that says what to do."""

from __future__ import annotations

from typing import ClassVar


class LazyCeleryError(Exception):
    """Something a person must be told.

    `title` is one sentence without a trace of a credential; `hint` is what to do about it, or "".
    `nothing_done` is true only when it is certain that a change which was tried left everything as it was.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"
    """A stable word that survives the engine's protocol."""

    def __init__(self, title: str, hint: str = "", *, nothing_done: bool = False) -> None:
        super().__init__(title)
        self.title = title
        self.hint = hint
        self.nothing_done = nothing_done

    def __str__(self) -> str:
        ended = not self.hint or self.title.endswith((".", "?", "!", ":", "…"))
        return f"{self.title}{'' if ended else '.'} {self.hint}".rstrip()


class NothingFound(LazyCeleryError):
    """The question was right; nothing matched."""

    exit_code = 1
    code = "nothing-found"


class UsageError(LazyCeleryError):
    """Wrong option, wrong filter, wrong configuration."""

    exit_code = 2
    code = "usage"


class ConnectionProblem(LazyCeleryError):
    """The broker (or the engine) cannot be reached, or refuses us."""

    exit_code = 3
    code = "connection"


class AuthFailed(ConnectionProblem):
    """The broker is there, and does not let us in or not do what must be done."""

    code = "auth-failed"


class Refused(LazyCeleryError):
    """Read-only, no permission, not confirmed, or too unsafe to do."""

    exit_code = 4
    code = "refused"


class PartlyDone(LazyCeleryError):
    """Some targets succeeded and some did not."""

    exit_code = 5
    code = "partly-done"


KINDS: dict[str, type[LazyCeleryError]] = {
    kind.code: kind
    for kind in (
        LazyCeleryError,
        NothingFound,
        UsageError,
        ConnectionProblem,
        AuthFailed,
        Refused,
        PartlyDone,
    )
}
"""Error classes by their `code`, to rebuild one on the other side of a pipe."""
