"""A real server in a process of its own, whose limits are out of the way."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from benchmarks.harness.network import ONE_MACHINE, Network
from benchmarks.harness.processes import end, end_with_parent, need_files, undisturbed
from benchmarks.harness.report import BenchmarkError, Missing
from tcproto.account import Challenge
from tcproto.identity import SigningKey
from tcproto.link import Link, parse_link
from tcserver.identity import open_identity
from tcserver.media.opening import FAN_OUT, try_fan_out
from tcserver.records import Account, RoomRecord
from tcserver.storage.credentials import derive_credentials
from tcserver.storage.database import Database
from tcserver.storage.private_files import DATABASE_FILE, IDENTITY_FILE

ACCOUNT = "bench"
OTHERS = ("other-1", "other-2")
"""More accounts, with the same key."""
MAX_SEATS = 1000
"""What one room and one account can hold."""
OTHER_FILES = 64
"""Open files of a process, besides those for its clients."""
SETTINGS = {
    "server.addresses": "127.0.0.1",
    "server.port": 0,
    "login.max_sessions": 5000,
    "login.logins_per_s": 10_000,
    "login.login_burst": 10_000,
    "login.max_half_open": 5000,
    "login.max_half_open_per_address": 5000,
    "rooms.max_rooms": MAX_SEATS,
    "rooms.max_participants": MAX_SEATS,
    "rooms.joins_per_s": 10_000,
    "rooms.join_burst": 10_000,
    "limits.idle_s": 600,
    "limits.account_ms_per_s": 1000,
    "limits.account_burst_ms": 1_000_000,
    "limits.max_publications": 32,
    "media.audio_packets_s": 1000,
    "media.audio_kbit_s": 2000,
    "media.screen_packets_s": 20_000,
    "media.screen_kbit_s": 100_000,
}
"""Limits out of the way: it is not their cost that is measured."""
WHERE = ("server.addresses", "server.port")
"""What holds with the usual limits, too."""


class Server:
    """``tcserver run`` in a process of its own, with an account and rooms; a context manager that ends it.

    With a ``password`` real clients log in as ``ACCOUNT``, and the rooms are end-to-end encrypted. Without one, light
    clients do with ``account_key``: nobody derives a key with Argon2 for each of a thousand.
    """

    def __init__(
        self,
        rooms: Sequence[str],
        settings: dict[str, object] | None = None,
        program: Sequence[str] = ("-m", "tcserver"),
        *,
        usual_limits: bool = False,
        password: str = "",
        network: Network = ONE_MACHINE,
    ) -> None:
        need_files(OTHER_FILES)  # the server has the same limit, and a connection for each client
        self.network = network
        self.account_key = SigningKey(os.urandom(32))
        self._folder = tempfile.TemporaryDirectory(prefix="tcbench-")
        data = Path(self._folder.name) / "data"
        data.mkdir(mode=0o700)
        challenge, key = Challenge(bytes(16), 64 << 20, 3), self.account_key.public
        identity, _ = open_identity(data / IDENTITY_FILE, os.urandom)
        if password:
            challenge, key = derive_credentials(identity, ACCOUNT, password, os.urandom(16))
        with Database(data / DATABASE_FILE) as database:
            for account in (ACCOUNT, *OTHERS):
                database.add_account(Account(account, "Bench", challenge, key, max_sessions=MAX_SEATS))
            for name in rooms:
                database.add_room(RoomRecord(name, name, e2ee=bool(password), max_participants=MAX_SEATS))
        usual = {key: SETTINGS[key] for key in WHERE} if usual_limits else SETTINGS
        here = {"server.addresses": network.server}
        flags = [f"--set={key}={value}" for key, value in (usual | here | (settings or {})).items()]
        self._command = [sys.executable, *program, "run", "--data", str(data), *flags]
        self._log = (Path(self._folder.name) / "log").open("wb+")
        self.start()
        self.address = (self.link.host, self.link.port)

    def start(self) -> None:
        """Start the process, for the first time or after ``kill``; raises ``BenchmarkError``."""
        follow = end_with_parent(signal.SIGTERM)
        with undisturbed(), self.network.at_server():
            self.process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=self._log, text=True, preexec_fn=follow
            )
        try:
            self.link = self._read_link()
        except BaseException:
            self.__exit__()
            raise

    def kill(self) -> None:
        """End the process at once, without a word to its clients."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        self._folder.cleanup()

    def _read_link(self) -> Link:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("join link"):
                return parse_link(line.split()[-1])
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
        raise BenchmarkError(f"the server does not start: {' '.join(last)}")


def add_sender(parser: argparse.ArgumentParser) -> None:
    """Add the option for the ``media.sender`` of the server."""
    parser.add_argument(
        "--sender", metavar="NAME", default="auto",
        help=f"media.sender of the server (default: auto); {FAN_OUT} is skipped where it does not work",
    )  # fmt: skip


def sending_by(sender: str) -> dict[str, object]:
    """Return the setting for a sender; raises ``Missing`` where the kernel is to make the copies, and cannot."""
    if sender == FAN_OUT:
        try:
            asyncio.run(try_fan_out())
        except OSError as error:
            raise Missing(f"--sender {sender}: {error.strerror or error}") from None
    return {"media.sender": sender}


def setting(text: str) -> tuple[str, str]:
    """Return name and value of ``KEY=VALUE``, as on the command line; raises ``BenchmarkError``."""
    name, found, value = text.partition("=")
    if not found:
        raise BenchmarkError(f"--set {text}: not of the form KEY=VALUE")
    return name, value
