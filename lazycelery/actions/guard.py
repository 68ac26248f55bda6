"""Who may do what, now: the one place where permissions are decided."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import PERMISSIONS, ROLES
from lazycelery.model.faces import by_face
from lazycelery.model.profile import Profile

HARMLESS = frozenset({"reveal", "export"})
"""Permissions that change nothing on the cluster: a session that holds only these is read-only."""

RECORDED = "This is a recording.", "It can be looked at, and nothing in it can be changed."


class Guard:
    """The permissions that are open in this session.

    It starts with the profile's `allow`; `unlock` opens what `may_unlock` permits, `lock` closes all.
    Of a recording nothing is ever open. Raises `UsageError` when the profile names an unknown permission.
    """

    def __init__(self, profile: Profile, recorded: bool = False) -> None:
        self.recorded = recorded
        self._open = set(expand(profile.allow))
        self._may_unlock = frozenset(expand(profile.may_unlock))

    @property
    def allowed(self) -> list[str]:
        """Permissions open now, in their usual order."""
        return _ordered(self._open)

    @property
    def may_unlock(self) -> list[str]:
        """Permissions that `unlock` would open; empty when the profile does not permit unlocking."""
        return _ordered(self._may_unlock)

    @property
    def read_only(self) -> bool:
        """Nothing that changes the cluster is open."""
        return not self._open - HARMLESS

    def unlock(self, permissions: Iterable[str]) -> None:
        """Open permissions or roles for this session, all of them or none.

        Raises `UsageError` for an unknown name and `Refused` for one the profile does not permit.
        """
        wanted = set(expand(permissions))
        self._alive()
        beyond = wanted - self._may_unlock
        if beyond:
            raise Refused(
                f"This profile does not permit unlocking {_listed(beyond)}.",
                by_face(f"Start with --allow {','.join(_ordered(beyond))}, or add it", "Add it")
                + " to may_unlock in the profile.",
            )
        self._open |= wanted

    def lock(self) -> None:
        """Back to read-only."""
        self._open.clear()

    def check(self, permission: str) -> None:
        """Raise `Refused`, with the way to open it, unless this permission is open."""
        if permission in self._open:
            return
        self._alive()
        opens = permission in self._may_unlock
        screen = ":unlock opens it." if opens else "may_unlock of the profile does not permit it."
        hint = by_face(f"Start with --allow {permission}.", screen)
        if self.read_only:
            raise Refused("Read-only.", hint)
        raise Refused(f"Not permitted: {permission}. This session may only {_listed(self._open)}.", hint)

    def _alive(self) -> None:
        if self.recorded:
            raise Refused(*RECORDED)

    def may(self, permission: str) -> bool:
        """Whether this permission is open."""
        return permission in self._open


def expand(names: Iterable[str]) -> list[str]:
    """Permissions of a list of permissions and roles, without doubles.

    Raises `UsageError` with the nearest name for an unknown one.
    """
    found: set[str] = set()
    for name in names:
        if name in ROLES:
            found.update(ROLES[name])
        elif name in PERMISSIONS:
            found.add(name)
        else:
            raise _unknown(name)
    return _ordered(found)


def _unknown(name: str) -> UsageError:
    known = [*PERMISSIONS, *ROLES]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}? " if near else ""
    return UsageError(f"Unknown permission {name!r}.", f"{hint}Known: {', '.join(known)}.")


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=PERMISSIONS.index)


def _listed(names: Iterable[str]) -> str:
    *head, last = _ordered(names)
    return f"{', '.join(head)} and {last}" if head else last
