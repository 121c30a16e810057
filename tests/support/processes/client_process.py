"""The client as a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tcproto.link import Link
from tests.support.processes.world import PASSWORD, PATIENCE

COMMAND = [sys.executable, "-m", "tcclient"]


@contextlib.contextmanager
def taking_part(link: Link, data: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Let a participant be in a room, in a process of its own."""
    command = [*COMMAND, "join", str(link), "--user", "kantor-2", "--password-stdin", "--data", str(data), "--json"]
    command += options
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PASSWORD + "\n")
        process.stdin.flush()
        try:
            assert json.loads(process.stdout.readline())["event"] == "joined"
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def environment(place: Path) -> dict[str, str]:
    """An environment whose temporary files can be seen."""
    (place / "temporary").mkdir()
    return os.environ | {"TMPDIR": str(place / "temporary"), "PYTHONPATH": os.getcwd(), "COLUMNS": "100"}
