"""What was acknowledged is on disk, whenever the process is killed."""

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tcserver.records import RoomRecord
from tcserver.storage.database import Database

KILLS = 100

# One process that forks a writer for each line of its input: a start of the interpreter for each would take long.
WRITERS = """
import os, sys
from dataclasses import replace
from pathlib import Path
from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcserver.storage.database import Database
from tcserver.records import Account

def say(text):
    os.write(1, f"{text}\\n".encode())

def write(run):
    with Database(Path(sys.argv[1])) as database:
        for number in range(1_000_000):
            name = f"a{run}.{number}"
            challenge = Challenge(os.urandom(16), DEFAULT_MEMORY, DEFAULT_PASSES)
            database.add_account(Account(name, name, challenge, os.urandom(32)))
            say(f"account {name}")
            database.change_room("room", lambda room: replace(room, title=f"{run}.{number}"))
            say(f"title {run}.{number}")

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        write(int(line))
    say(f"child {child}")
    os.waitpid(child, 0)
    say("ended")
"""


def test_every_acknowledged_change_survives_a_hundred_kills(tmp_path: Path) -> None:
    path = tmp_path / "tcserver.db"
    with Database(path) as database:
        database.add_room(RoomRecord("room", "made"))
    moments = random.Random(7)
    acknowledged: set[str] = set()
    title = "made"
    command = [sys.executable, "-c", WRITERS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as writers:
        assert writers.stdin
        assert writers.stdout
        for run in range(KILLS):
            writers.stdin.write(f"{run}\n".encode())
            # Every fourth is killed about when it opens the database, the others while they write.
            awaited = b"child " if run % 4 == 0 else b"account "
            heard = b""
            while awaited not in heard or b"child " not in heard or not heard.endswith(b"\n"):
                heard += os.read(writers.stdout.fileno(), 65536)
            child = next(int(line.split()[1]) for line in heard.decode().splitlines() if line.startswith("child"))
            moment = time.monotonic() + moments.uniform(0, 0.01)
            while (left := moment - time.monotonic()) > 0:
                if select.select([writers.stdout], [], [], left)[0]:
                    heard += os.read(writers.stdout.fileno(), 65536)
            os.kill(child, signal.SIGKILL)
            while not heard.endswith(b"ended\n"):
                heard += os.read(writers.stdout.fileno(), 65536)
            words = [line.split() for line in heard.decode().splitlines()]
            acknowledged |= {word[1] for word in words if word[0] == "account"}
            titles = [word[1] for word in words if word[0] == "title"]
            next_title = f"{run}.{len(titles)}"
            title = titles[-1] if titles else title
            with Database(path) as database:
                room = database.room("room")
                assert room is not None
                # The change under way when the kill came is whole or not there.
                assert room.title in (title, next_title)
                title = room.title
        writers.stdin.close()
    with Database(path) as database:
        stored = {account.name for account in database.accounts()}
        assert acknowledged <= stored
        assert len(stored - acknowledged) <= KILLS
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(acknowledged) >= KILLS * 3 // 4
