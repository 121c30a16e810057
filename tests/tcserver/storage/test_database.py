import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcproto.messages import Role
from tcserver import records
from tcserver.records import (
    MAX_DEVICES,
    Account,
    DeviceRecord,
    DuplicatePolicy,
    RoomRecord,
    SessionRecord,
    StoreError,
)
from tcserver.storage.database import Database

KEY = b"k" * 32


def make_account(name: str, **fields: Any) -> Account:
    return Account(
        name, fields.pop("display", name), Challenge(b"s" * 16, DEFAULT_MEMORY, DEFAULT_PASSES), KEY, **fields
    )


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with Database(path) as opened:
        yield opened


def test_an_account_comes_back_as_it_was_stored(database: Database) -> None:
    stored = database.add_account(
        make_account(
            "Kantor-1",
            display="Kantor  Satu",
            created=1.5,
            role=Role.CHAIR,
            disabled=True,
            max_sessions=2,
            duplicates=DuplicatePolicy.REPLACE,
            devices_only=True,
        )
    )
    assert (stored.name, stored.display, stored.id, stored.generation) == ("kantor-1", "Kantor Satu", 1, 1)
    assert database.account("KANTOR-1") == stored
    assert database.accounts() == [stored]


def test_an_unknown_or_impossible_name_is_no_account(database: Database) -> None:
    assert database.account("nobody") is None
    assert database.account("no/body") is None
    assert database.room("nowhere") is None
    assert database.room("no/where") is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kantor-1", "exists"),
        ("KANTOR-1", "exists"),
        ("kantor-l", "looks like"),
        ("kаntor-1", "looks like"),  # noqa: RUF001 - Cyrillic
        ("admin", "reserved"),
        ("аdmin", "reserved"),  # noqa: RUF001 - Cyrillic
        ("two words", "only letters"),
    ],
)
def test_taken_look_alike_and_bad_names_are_refused(database: Database, name: str, reason: str) -> None:
    database.add_account(make_account("kantor-1"))
    with pytest.raises(StoreError, match=reason):
        database.add_account(make_account(name))
    assert len(database.accounts()) == 1


def test_a_reserved_name_is_for_an_administrator_and_its_look_alikes_for_nobody(database: Database) -> None:
    assert database.add_account(make_account("admin", role=Role.ADMIN)).name == "admin"
    with pytest.raises(StoreError, match="reserved"):
        database.add_account(make_account("r00t", role=Role.ADMIN))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"display": "a\u202eb"}, "invisible"),
        ({"challenge": Challenge(b"short", DEFAULT_MEMORY, DEFAULT_PASSES)}, "salt should be 16 bytes, not 5"),
        ({"challenge": Challenge(b"s" * 16, 1024, 1)}, "memory should be a whole number from"),
        ({"public_key": b"short"}, "public_key should be 32 bytes, not 5"),
        ({"max_sessions": 0}, "max_sessions should be a whole number from 1 to 1000, not 0"),
        ({"max_sessions": records.MAX_SESSIONS_CEILING + 1}, "from 1 to 1000, not 1001"),
    ],
)
def test_bad_values_are_refused_when_added_and_when_changed(
    database: Database, fields: dict[str, Any], reason: str
) -> None:
    good = database.add_account(make_account("kantor-1"))
    with pytest.raises(StoreError, match=reason):
        database.add_account(replace(make_account("kantor-2"), **fields))
    with pytest.raises(StoreError, match=reason):
        database.change_account("kantor-1", lambda account: replace(account, **fields))
    assert database.accounts() == [good]


def test_accounts_are_added_all_or_none(database: Database) -> None:
    with pytest.raises(StoreError, match="exists"):
        database.add_accounts([make_account("kantor-1"), make_account("kantor-2"), make_account("kantor-1")])
    assert database.accounts() == []
    assert len(database.add_accounts([make_account("kantor-1"), make_account("kantor-2")])) == 2


@pytest.mark.parametrize(
    ("fields", "ends_sessions"),
    [
        ({"challenge": Challenge(b"t" * 16, DEFAULT_MEMORY, DEFAULT_PASSES)}, True),
        ({"public_key": b"n" * 32}, True),
        ({"disabled": True}, True),
        ({"role": Role.LISTENER}, True),
        ({"devices_only": True}, True),
        ({"display": "Another"}, False),
        ({"max_sessions": 1}, False),
        ({"duplicates": DuplicatePolicy.REFUSE}, False),
    ],
)
def test_a_change_of_authority_raises_the_generation(
    database: Database, fields: dict[str, Any], ends_sessions: bool
) -> None:
    old = database.add_account(make_account("kantor-1"))
    new = database.change_account("Kantor-1", lambda account: replace(account, **fields))
    assert new == replace(old, generation=old.generation + ends_sessions, **fields)
    assert database.account("kantor-1") == new
    expected = {} if new.disabled else {new.id: new.generation}
    assert database.standing().generations == expected


def test_name_and_id_of_an_account_never_change(database: Database) -> None:
    old = database.add_account(make_account("kantor-1"))
    assert database.change_account("kantor-1", lambda account: replace(account, name="other", id=9)) == old


def test_an_id_is_not_used_twice(database: Database) -> None:
    first = database.add_account(make_account("kantor-1"))
    database.remove_account("kantor-1")
    assert database.standing().generations == {}
    assert database.add_account(make_account("kantor-1")).id > first.id


def test_missing_accounts_and_rooms_are_named(database: Database) -> None:
    with pytest.raises(StoreError, match="no account named 'nobody'"):
        database.remove_account("nobody")
    with pytest.raises(StoreError, match="no account named 'nobody'"):
        database.change_account("nobody", lambda account: account)
    with pytest.raises(StoreError, match="no account named 'nobody'"):
        database.sessions("nobody")
    with pytest.raises(StoreError, match="no room named 'nowhere'"):
        database.remove_room("nowhere")


def test_an_account_may_be_limited_to_its_devices(database: Database) -> None:
    database.add_account(make_account("kantor-1"))
    assert database.device_keys("kantor-1") == set()
    limited = database.change_account("kantor-1", lambda account: replace(account, devices_only=True))
    assert limited.devices_only
    database.enroll_device(DeviceRecord("Kantor-1", KEY, "front  desk", 2.0))
    assert database.device_keys("kantor-1") == {KEY}
    assert database.devices("kantor-1") == [DeviceRecord("kantor-1", KEY, "front desk", 2.0)]
    database.enroll_device(DeviceRecord("kantor-1", KEY, "", 3.0))
    assert database.devices("kantor-1") == [DeviceRecord("kantor-1", KEY, "", 2.0)]
    database.remove_device("kantor-1", KEY)
    assert database.device_keys("kantor-1") == set()
    assert database.standing().generations == {limited.id: limited.generation + 1}
    with pytest.raises(StoreError, match="no such device"):
        database.remove_device("kantor-1", KEY)
    with pytest.raises(StoreError, match="key should be 32 bytes"):
        database.enroll_device(DeviceRecord("kantor-1", b"short", "", 3.0))


def test_the_devices_of_an_account_are_bounded(database: Database) -> None:
    database.add_account(make_account("kantor-1"))
    with database.transaction():
        for number in range(MAX_DEVICES):
            database.enroll_device(DeviceRecord("kantor-1", number.to_bytes(32, "big"), "", number))
    with pytest.raises(StoreError, match="the limit"):
        database.enroll_device(DeviceRecord("kantor-1", KEY, "", 0))
    database.enroll_device(DeviceRecord("kantor-1", bytes(32), "renamed", 0))
    assert database.devices("kantor-1")[0].label == "renamed"


def test_a_room_comes_back_as_it_was_stored(database: Database) -> None:
    database.add_account(make_account("kantor-1"))
    stored = database.add_room(
        RoomRecord(
            "Rapat  Pagi 🎉",
            "",
            e2ee=False,
            max_participants=7,
            default_role=Role.LISTENER,
            roles={"KANTOR-1": Role.CHAIR},
            permissions={Role.LISTENER: 0xFFFF, Role.SPEAKER: 0},
            loudest=0,
        )
    )
    assert (stored.name, stored.title, stored.roles) == ("rapat pagi 🎉", "Rapat Pagi 🎉", {"kantor-1": Role.CHAIR})
    assert database.room("RAPAT PAGI 🎉") == stored
    assert database.rooms() == [stored]


def test_a_room_is_changed_renamed_and_removed(database: Database) -> None:
    database.add_account(make_account("kantor-1"))
    database.add_room(RoomRecord("a", "", roles={"kantor-1": Role.CHAIR}))
    database.add_room(RoomRecord("b", ""))
    renamed = database.change_room("A", lambda room: replace(room, name="C", title="See", roles={}, loudest=5))
    assert database.room("a") is None
    assert database.room("c") == renamed
    assert (renamed.roles, renamed.loudest) == ({}, 5)
    assert database.change_room("c", lambda room: replace(room, loudest=None)) == replace(renamed, loudest=None)
    with pytest.raises(StoreError, match="'b' exists"):
        database.change_room("c", lambda room: replace(room, name="b"))
    with pytest.raises(StoreError, match="'b' exists"):
        database.add_room(RoomRecord("B", ""))
    database.remove_room("b")
    assert [room.name for room in database.rooms()] == ["c"]


def test_a_removed_account_has_no_role_device_or_session(database: Database) -> None:
    database.add_account(make_account("kantor-1"))
    database.add_room(RoomRecord("a", "", roles={"kantor-1": Role.CHAIR}))
    database.enroll_device(DeviceRecord("kantor-1", KEY, "", 0))
    database.note_sessions({"s1": SessionRecord("s1", "kantor-1", KEY, "Siti", "127.0.0.1", 1.0)})
    database.remove_account("kantor-1")
    assert database.rooms()[0].roles == {}
    assert database.sessions() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "a/b"}, "slash"),
        ({"title": "a\x00"}, "control"),
        ({"max_participants": 0}, "max_participants should be a whole number from 1 to"),
        ({"loudest": -1}, "loudest should be a whole number from 0 to 1000, or default, not -1"),
        ({"loudest": 1001}, "0 to 1000"),
        ({"permissions": {Role.CHAIR: 1 << 16}}, r"permissions\.chair should be a whole number from 0 to 65535"),
        ({"permissions": {Role.CHAIR: -1}}, "from 0 to 65535, not -1"),
        ({"roles": {"nobody": Role.CHAIR}}, "no account"),
    ],
)
def test_bad_rooms_are_refused_whole(database: Database, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        database.add_room(replace(RoomRecord("a", ""), **fields))
    assert database.rooms() == []


def test_sessions_are_listed_and_cleared(database: Database) -> None:
    database.add_accounts([make_account("kantor-1"), make_account("kantor-2")])
    one = SessionRecord("s1", "kantor-1", KEY, "Siti", "127.0.0.1", 1.0)
    two = SessionRecord("s2", "kantor-2", KEY, "Budi", "::1", 2.0)
    for session in (two, one):
        database.note_sessions({session.session_id: session})
    assert database.sessions() == [one, two]
    assert database.sessions("Kantor-2") == [two]
    database.note_sessions({"s1": None})
    database.note_sessions({"s1": None})
    assert database.sessions() == [two]
    database.note_sessions({"s3": replace(one, session_id="s3"), "s4": replace(one, account="nobody")}, afresh=True)
    assert [session.session_id for session in database.sessions()] == ["s3"]


def test_what_the_server_has_to_know_of_accounts(database: Database) -> None:
    first = database.add_account(make_account("kantor-1"))
    second = database.add_account(make_account("kantor-2"))
    database.add_account(make_account("kantor-3", disabled=True))
    second = database.change_account("kantor-2", lambda account: replace(account, banned="  has   moved "))
    assert second.banned == "has moved"
    costs = {(first.challenge.memory_bytes, first.challenge.passes): 3}
    assert database.standing() == ({first.id: 1}, {second.id: "has moved"}, costs)
    for until, is_banned in ((time.time() + 60, True), (time.time() - 60, False)):
        database.change_account("kantor-2", lambda account, until=until: replace(account, banned_until=until))
        standing = database.standing()
        assert (second.id in standing.bans, second.id in standing.generations) == (is_banned, not is_banned)
    again = database.change_account("kantor-2", lambda account: replace(account, banned=None, banned_until=None))
    assert database.standing().generations == {first.id: 1, second.id: 5}
    assert again.banned is None
    with pytest.raises(StoreError, match="1 to 64"):
        database.change_account("kantor-2", lambda account: replace(account, banned="x" * 65))


def test_a_change_by_another_process_is_noticed_once(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.add_account(make_account("kantor-1"))
    assert database.changed_elsewhere() is None
    with Database(path) as other:
        changed = other.change_account("kantor-1", lambda account: replace(account, public_key=b"n" * 32))
        assert other.changed_elsewhere() is None

    def fail(_: Database) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as failing:
        failing.setattr(Database, "rooms", fail)
        with pytest.raises(sqlite3.OperationalError):
            database.changed_elsewhere()
    noticed = (database.standing(), [])
    assert noticed[0].generations == {changed.id: changed.generation}
    assert database.changed_elsewhere() == noticed, "it was not noticed yet"
    assert database.changed_elsewhere() is None
    assert database.changed_elsewhere(surely=True) == noticed


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            database.add_account(make_account("kantor-1"))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert database.accounts() == []


def test_a_transaction_that_the_engine_ended_is_not_ended_twice(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            # As SQLite does on some errors, such as a full disk.
            database._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("stop")

    with pytest.raises(sqlite3.OperationalError, match="stop"):
        fail()
    database.add_account(make_account("kantor-1"))


def test_a_backup_is_whole_private_and_of_one_file(database: Database, tmp_path: Path) -> None:
    stored = database.add_account(make_account("kantor-1"))
    target = tmp_path / "copy.db"
    database.backup(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("copy.db-*"))
    with Database(target) as copy:
        assert copy.accounts() == [stored]
    with pytest.raises(StoreError, match="exists"):
        database.backup(target)


def test_all_files_are_private_and_synced(database: Database, tmp_path: Path) -> None:
    database.add_account(make_account("kantor-1"))
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"tcserver.db": 0o600, "tcserver.db-wal": 0o600, "tcserver.db-shm": 0o600}
    # They belong to the connection: another one would have its own.
    settings = {
        name: database._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["long" * 60] * 12)  # the system takes it, the library does not
    folder.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"tcserver.db cannot be used as a database: unable to open"):
        Database(folder / "tcserver.db")
