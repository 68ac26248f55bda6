"""What somebody of a team has dealt with, all of it see; who may not write there marks for himself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from lazycelery.engine.dealing import Dealing
from lazycelery.errors import Refused
from lazycelery.model.task import Dealt
from lazycelery.store.history.postgres import dealt as module
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import WRITES, Address, connect
from lazycelery.store.history.postgres.dealt import SharedDealt
from lazycelery.store.history.postgres.reading import Connections
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.store import Store
from tests.engine.test_dealing import matching, store
from tests.history.keeping import recorded
from tests.history.test_shared import rows
from tests.store.build import received
from tests.support.postgres import PostgresServer

T0 = 1_800_000_000.0
Made = Callable[..., Shared]


def person(one: Store, storage: Shared | None, at: float = 60.0, machine: str = "a") -> Dealing:
    """Each `machine` has a file of its own."""
    shared = storage.dealt() if storage is not None else None
    return Dealing(f"redis://db1/0|{machine}", one, lambda: T0 + at, lambda: None, shared)


async def test_what_one_marks_the_others_see_and_any_of_them_takes_back(shared: Made) -> None:
    storage, here, there = shared(), store("fail-0001", "fail-0002"), store("fail-0001", "fail-0002")
    ada, ben = person(here, storage, 60), person(there, storage, 61, "b")
    await ben.look(wait=True)
    assert await ada.mark(["fail-0001"], None, "refunded ü", False) == ["fail-0001"]
    assert matching(here, "dealt:yes") == ["fail-0001"] and not ada.notices()
    await person(there, storage).look(wait=True)
    task = there.task("fail-0001", T0 + 61)
    assert task is not None and task.dealt is not None and task.dealt.note == "refunded ü"
    await ben.mark(["fail-0001"], None, "", True)
    assert matching(there, "dealt:yes") == []
    await person(here, storage).look(wait=True)
    assert matching(here, "dealt:yes") == []
    assert rows(storage, "SELECT count(*) FROM {s}.dealt") == [(1,)]


async def test_what_was_marked_on_one_machine_before_stays_until_the_team_says_more(shared: Made) -> None:
    storage, one = shared(), store("fail-0001", "fail-0002")
    await person(one, None, 10).mark([], "state:failure", "mine", False)
    own = person(one, storage, 20)
    await own.look(wait=True)
    assert matching(one, "dealt:yes") == ["fail-0001", "fail-0002"]
    await person(store("fail-0001"), storage, 30, "b").mark(["fail-0001"], None, "", True)
    other = person(one, storage, 40)
    await other.look(wait=True)
    assert matching(one, "dealt:yes") == ["fail-0002"]
    await other.mark(["fail-0002"], None, "", True)
    assert matching(one, "dealt:yes") == []
    again = store("fail-0001", "fail-0002")
    await person(again, None).look()
    assert matching(again, "dealt:yes") == ["fail-0001"]


async def test_who_may_only_read_sees_them_and_is_told_that_his_own_stay_here(
    shared: Made, postgres: PostgresServer
) -> None:
    storage = shared()
    await person(store("fail-0001"), storage).mark(["fail-0001"], None, "", False)
    role, connection = f"sees_{storage.address.schema}", connect(storage.address, WRITES)
    connection.execute(f"CREATE ROLE {role} LOGIN")
    connection.execute(f"GRANT USAGE ON SCHEMA {storage.address.schema} TO {role}")
    connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {storage.address.schema} TO {role}")
    connection.close()
    reader = Shared(Address(postgres.url.replace("shop@", f"{role}@"), storage.address.schema))
    one = store("fail-0001", "fail-0002")
    dealing = person(one, reader, 70, "c")
    await dealing.look(wait=True)
    assert matching(one, "dealt:yes") == ["fail-0001"]
    await dealing.mark(["fail-0002"], None, "", False)
    assert matching(one, "dealt:yes") == ["fail-0001", "fail-0002"]
    [notice] = dealing.notices()
    assert "on this machine only: this user may not: permission denied" in notice.title
    with pytest.raises(Refused, match="cannot be taken back"):
        await dealing.mark(["fail-0001"], None, "", True)
    assert rows(storage, "SELECT id FROM {s}.dealt") == [("fail-0001",)]


async def test_a_database_that_is_away_leaves_marks_on_this_machine(postgres: PostgresServer) -> None:
    one = store("fail-0001")
    dealing = person(one, Shared(Address(postgres.url.replace(str(postgres.port), "1"), "x")))
    await dealing.look(wait=True)
    assert await dealing.mark(["fail-0001"], None, "", False) == ["fail-0001"]
    assert matching(one, "dealt:yes") == ["fail-0001"]
    assert "does not answer" in dealing.notices()[0].title


def test_a_schema_of_the_second_version_gets_the_table_with_the_rights_that_were_given(
    shared: Made, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = shared()
    schema, connection = storage.address.schema, connect(storage.address, WRITES)
    with monkeypatch.context() as before:
        before.setattr(tables, "VERSION", 2)
        tables.migrate(connection, schema)
    for role, rights in ((f'"Reads {schema}"', "SELECT"), (f"writes_{schema}", "SELECT, INSERT, UPDATE")):
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        connection.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}")
    assert storage.dealt().read() == {}  # Not there yet, and nobody is told of a fault.
    recorded(storage, [received(0, "t0")])
    assert rows(storage, "SELECT max(version) FROM {s}.version") == [(tables.VERSION,)]
    word = Dealt(at=T0, by="ada@host")
    writer = Address(postgres.url.replace("shop@", f"writes_{schema}@"), schema)
    connection.execute(f"GRANT DELETE ON {schema}.dealt TO writes_{schema}")
    SharedDealt(writer, Connections()).put(["t0"], word, False)
    reader = Address(postgres.url.replace("shop@", f"Reads%20{schema}@"), schema)
    reads = SharedDealt(reader, Connections())
    assert {one: told.dealt for one, told in reads.read().items()} == {"t0": word}
    with pytest.raises(PermissionError):
        reads.put(["t1"], word, False)
    connection.close()


def test_marks_are_bounded_and_no_text_stops_one(shared: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = shared()
    monkeypatch.setattr(module, "KEPT", 20)
    for start in range(0, 100, 10):
        word = Dealt(at=T0 + start, by="ada@host", note="a\tb \x00 ü 🦆 \\N")
        storage.dealt().put([f"t{start + n}" for n in range(10)], word, False)
    assert rows(storage, "SELECT count(*) <= 41, max(id) FROM {s}.dealt") == [(True, "t99")]
    told = storage.dealt().read()
    assert list(told)[-1] == "t99" and len(told) == 20 and told["t99"].dealt.note.startswith("a\tb")
    with pytest.raises(OSError, match="characters"):
        storage.dealt().put(["x" * 3000], Dealt(at=T0, by="ada"), False)


def test_many_write_at_once_and_each_mark_is_there(shared: Made) -> None:
    from concurrent.futures import ThreadPoolExecutor

    storage = shared()
    storage.dealt().put(["t"], Dealt(at=T0, by="ada"), False)
    reader = storage.dealt()
    with ThreadPoolExecutor(6) as pool:
        marks = [[f"t{n + k}" for k in range(5)] for n in range(0, 60)]
        done = [pool.submit(storage.dealt().put, ids, Dealt(at=T0, by="ada"), False) for ids in marks]
        while not all(each.done() for each in done):
            reader._next = 0.0
            with contextlib.suppress(OSError):
                reader.read()
        assert all(each.result() is None for each in done)
    reader._next = 0.0
    assert set(reader.read()) == {"t", *(f"t{n}" for n in range(64))}
