"""The demonstration: its report at the end, and its remains after an interrupt."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.processes.client_process import COMMAND, environment
from tests.support.processes.terminal import Terminal
from tests.support.processes.world import PATIENCE

pytestmark = pytest.mark.usefixtures("measured")


def test_a_demonstration_is_complete(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--participants", "2", "--talkers", "1", "--cameras", "1", "--seconds", "1", "--json"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    account = json.loads(line)
    assert account["complete"]
    assert not account["faults"]
    first, second = account["participants"]
    assert [stream["kind"] for stream in first["sent"]] == ["audio", "video"]
    assert [stream["packets"] for stream in second["received"]] == [stream["packets"] for stream in first["sent"]]
    for stream in second["received"]:
        assert stream["lost"] == 0
        assert all((tmp_path / path).stat().st_size for path in stream["recordings"])
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_demonstration_at_a_terminal_shows_its_progress_in_one_line_and_ends_with_a_table(tmp_path: Path) -> None:
    options = ["--participants", "2", "--talkers", "1", "--cameras", "0", "--seconds", "3", "--out", str(tmp_path)]
    terminal = Terminal(*COMMAND, "demo", *options, columns=200)
    for line in ("Starting the server", "Seating 2 participants", "All 2 are seated; 3 s of media begin"):
        terminal.until(line + "\r\n")
    terminal.wait(lambda: re.search(r"\r  [123] of 3 s \| ", terminal.text), "the progress")
    terminal.until("\x1b[K")
    terminal.until("Everybody received everything.\r\n")
    assert terminal.end() == 0
    shown = [" ".join(line.split()) for line in terminal.shown]
    for begin in ("participant stream packets", "agency01 -> audio", "agency02 <- agency01 audio", str(tmp_path)):
        assert [line for line in shown if line.startswith(begin)], begin
    assert len([line for line in shown if " of 3 s | " in line]) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["Making 2 accounts", "Starting the server", "All 2 are seated"])
def test_a_demonstration_that_is_interrupted_leaves_nothing(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    marked = environment(tmp_path)
    command = [*COMMAND, "demo", "--participants", "2", "--seconds", "30"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=marked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(moment):
                process.send_signal(number)
        assert process.wait(PATIENCE) == 130
    assert lines[-1] == "tcclient: interrupted\n"
    assert not any("Traceback" in line for line in lines)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not left_of(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("moment", ["Starting the server", "All 2 are seated"])
def test_a_demonstration_that_is_killed_leaves_no_process(tmp_path: Path, moment: str) -> None:
    command = [*COMMAND, "demo", "--participants", "2", "--seconds", "3600"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith(moment) for line in process.stderr)
        if moment == "All 2 are seated":
            assert len(left_of(tmp_path)) == 4, "the demonstration, its server and two participants"
        process.kill()
    patient_until = time.monotonic() + PATIENCE
    while left := left_of(tmp_path):
        assert time.monotonic() < patient_until, left
        time.sleep(0.05)
    for log in (tmp_path / "demo-recordings").glob("*.log"):
        assert "Traceback" not in log.read_text()


def test_a_demonstration_without_the_page_says_what_is_missing(tmp_path: Path) -> None:
    for package in ("tcproto", "tcserver", "tcclient"):
        left_out = shutil.ignore_patterns("page", "node_modules", "__pycache__")
        shutil.copytree(Path(package), tmp_path / package, ignore=left_out)
    marked = environment(tmp_path) | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, "demo", "--web", "--no-browser"],
        cwd=tmp_path,
        env=marked,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("tcclient: the web page is not built into this installation: ")
    assert list((tmp_path / "temporary").iterdir()) == []


def left_of(place: Path) -> list[str]:
    """Return the processes that were started with temporary files in a place."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(place / "temporary").encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found
