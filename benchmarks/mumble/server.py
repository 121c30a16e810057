"""Mumble's server, as the package of the distribution has it, in a process of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from benchmarks.harness.processes import end
from benchmarks.harness.report import BenchmarkError, Missing

PROGRAMS = ("mumble-server", "murmurd")
"""Its names, from 1.5 on and before."""
MISSING = "needs Mumble's server, which is not installed: apt install mumble-server"
START_LIMIT = 20.0
POLL = 0.02
_SETTINGS = {
    "host": "127.0.0.1",
    "users": 5000,
    "bandwidth": 1_000_000_000,
    "timeout": 3600,
    "opusthreshold": 0,
    "messageburst": 1_000_000,
    "messagelimit": 1_000_000,
    "autobanAttempts": 0,
    "channelcountlimit": 0,
    "rememberchannel": "false",
    "bonjour": "false",
    "welcometext": "",
    "logdays": -1,
}
"""Limits out of the way, and what else works besides switched off: it is not their cost that is measured."""


def program() -> str:
    """Return the path of the installed server; raises ``BenchmarkError`` if there is none."""
    # The folder of administration is not on everybody's path.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    for name in PROGRAMS:
        if (found := shutil.which(name, path=path)) is not None:
            return found
    raise Missing(MISSING)


class MumbleServer:
    """Mumble's server with an empty database; a context manager that ends it. Raises ``BenchmarkError``."""

    def __init__(self) -> None:
        binary = program()
        self.administrator_password = secrets.token_hex(16)
        self.address = ("127.0.0.1", _free_port())
        self._folder = tempfile.TemporaryDirectory(prefix="tcbench-")
        folder = Path(self._folder.name)
        # As root it would give up its rights, and then not reach the folder.
        owner = {"uname": "root"} if os.geteuid() == 0 else {}
        settings = _SETTINGS | owner | {"port": self.address[1], "database": folder / "mumble.sqlite"}
        ini = folder / "mumble.ini"
        ini.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._log = (folder / "log").open("wb+")
        command = [binary, "-fg", "-ini", str(ini)]
        password = (self.administrator_password + "\n").encode()
        subprocess.run([*command, "-readsupw"], input=password, stdout=self._log, stderr=self._log, check=False)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)
        self._log.close()
        self._folder.cleanup()

    def _wait(self) -> None:
        until = time.monotonic() + START_LIMIT
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as sock:
                if sock.connect_ex(self.address) == 0:
                    return
            time.sleep(POLL)
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
        raise BenchmarkError(f"Mumble's server does not start: {' '.join(last)}")


def version() -> str:
    """Return the version that the installed server reports. Raises ``BenchmarkError`` if there is none."""
    told = subprocess.run([program(), "-version"], capture_output=True, text=True, check=False)
    words = (told.stdout + told.stderr).split()
    return next((word for word in reversed(words) if word[:1].isdigit()), "of unknown version")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
