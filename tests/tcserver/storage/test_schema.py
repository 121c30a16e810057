"""Files that are no database, databases of older and newer versions, and processes that open one at once."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcserver.records import Account, RoomRecord, StoreError
from tcserver.storage.database import Database
from tcserver.storage.schema import MIGRATIONS, migrate


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="cannot be used"):
        Database(path)


def test_a_newer_database_is_refused_and_untouched(path: Path) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Database(path)


def test_migrations_keep_what_is_there_and_fail_whole(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    first = (("CREATE TABLE a (x)", "INSERT INTO a VALUES (1)"),)
    migrate(connection, first)
    broken = (*first, ("CREATE TABLE b (y)", "INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, broken)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    migrate(connection, (*first, ("CREATE TABLE b (y)",), ("INSERT INTO b SELECT x FROM a",)))
    assert connection.execute("SELECT y FROM b").fetchall() == [(1,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()


def test_rooms_of_the_first_version_follow_the_server_in_who_is_heard(path: Path) -> None:
    path.touch(0o600)
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    connection.execute("INSERT INTO rooms VALUES (7, 'pagi', 'Pagi', 1, 9, 'speaker', '{}')")
    connection.close()
    with Database(path) as database:
        assert database.rooms() == [RoomRecord("pagi", "Pagi", max_participants=9, id=7)]


def test_processes_that_open_a_new_database_at_once_make_it_once(path: Path) -> None:
    failures: list[BaseException] = []

    def open_and_add(number: int) -> None:
        try:
            with Database(path) as database:
                database.add_account(
                    Account(
                        f"kantor-{number}2", "Kantor", Challenge(bytes(16), DEFAULT_MEMORY, DEFAULT_PASSES), bytes(32)
                    )
                )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_and_add, args=(number,)) for number in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Database(path) as database:
        assert len(database.accounts()) == 8
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
