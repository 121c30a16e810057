import asyncio
import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tcserver.records import StoreError
from tcserver.storage.database import Database
from tcserver.storage.store_thread import MAX_WAITING, StoreThread


def test_jobs_run_in_order_in_one_thread_and_all_before_the_end(tmp_path: Path) -> None:
    crashes: list[BaseException] = []
    done: list[Any] = []
    threads = set()

    def job(number: int) -> int:
        threads.add(threading.current_thread())
        return number

    async def main() -> None:
        store = StoreThread(tmp_path / "db", crashes.append)
        await store.open()
        for number in range(100):
            store.start(lambda db, n=number: job(n), lambda result, error: done.append((result, error)))
        assert await store.run(lambda db: isinstance(db, Database))
        store.start(lambda db: job(100), lambda result, error: done.append((result, error)))
        await store.close()

    asyncio.run(main())
    assert done == [(number, None) for number in range(101)]
    assert len(threads) == 1
    for thread in threads:
        thread.join(5)
    assert crashes == []


def test_errors_of_jobs_and_of_those_who_wait_for_them(tmp_path: Path) -> None:
    crashes: list[BaseException] = []
    done: list[Any] = []

    async def main() -> None:
        store = StoreThread(tmp_path / "db", crashes.append)
        await store.open()
        store.start(lambda db: 1 // 0, lambda result, error: done.append((result, type(error))))
        store.start(lambda db: [], lambda result, error: result.remove(1))
        with pytest.raises(KeyError):
            await store.run(lambda db: {}[1])
        await store.close()

    asyncio.run(main())
    assert done == [(None, ZeroDivisionError)]
    assert [type(crash) for crash in crashes] == [ValueError]


def test_a_disk_that_hangs_is_not_given_ever_more(tmp_path: Path) -> None:
    refused: list[Any] = []

    async def main() -> None:
        store = StoreThread(tmp_path / "db", refused.append)
        await store.open()
        hanging = threading.Event()
        store.start(lambda db: hanging.wait(20), lambda result, error: None)
        for _ in range(MAX_WAITING):
            store.start(lambda db: None, lambda result, error: refused.append(error) if error else None)
        assert [str(error) for error in refused] == ["the disk does not keep up"]
        hanging.set()
        await store.run(lambda db: None)  # after all others, however slow the machine is
        await store.close()

    asyncio.run(main())
    assert len(refused) == 1


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"this is no database" * 100)

    async def main() -> None:
        store = StoreThread(path, lambda crash: None)
        with pytest.raises(StoreError):
            await store.open()
        await store.close()

    asyncio.run(main())


def test_another_process_that_holds_the_database_holds_up_no_look_up_and_not_the_end(tmp_path: Path) -> None:
    done: list[Any] = []

    async def main() -> None:
        changes, look_ups = (StoreThread(tmp_path / "db", done.append) for _ in range(2))
        await changes.open()
        await look_ups.open()
        with contextlib.closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(10):
                changes.start(lambda db: db.remove_room("hall"), lambda result, error: done.append(type(error)))
            start = time.monotonic()
            assert await look_ups.run(lambda db: db.account("nobody")) is None
            assert time.monotonic() - start < 0.9, "it did not wait for the changes"
            await asyncio.gather(changes.close(), look_ups.close())
            assert time.monotonic() - start < 4

    asyncio.run(main())
    assert set(done) == {sqlite3.OperationalError, OSError}
