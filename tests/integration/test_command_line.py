"""The client as a script has it: its output and its end."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcclient.capture import CLIP, SPEECH
from tcclient.cli.main import main
from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tests.support.processes.client_process import COMMAND, environment, taking_part
from tests.support.processes.world import PASSWORD, PATIENCE, Server

pytestmark = pytest.mark.usefixtures("measured")


@contextlib.contextmanager
def typed(text: str) -> Iterator[None]:
    """Put a text on standard input."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)


def complaint(capfd: pytest.CaptureFixture[str], *arguments: str, password: str = PASSWORD) -> tuple[int, str]:
    """Run a command that fails. Return its status and its only line."""
    capfd.readouterr()
    with typed(password + "\n"):
        status = main([*arguments])
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("tcclient: ")
    return status, line.removeprefix("tcclient: ")


def test_each_refusal_is_one_line_and_a_status(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def join(link: Link, user: str = "kantor-1", password: str = PASSWORD) -> tuple[int, str]:
        options = ["--user", user, "--password-stdin", "--seconds", "5", "--data", str(tmp_path / "client")]
        return complaint(capfd, "join", str(link), *options, password=password)

    wrong = (5, "the username or the password is wrong")
    assert join(server.room("Hall"), password="wrong password") == wrong
    assert join(server.room("Hall"), user="nobody") == wrong
    assert join(server.room("Hall"), user="off") == wrong
    assert join(server.room("Hall"), user="not a name")[0] == 2
    assert join(server.room("Open"))[0] == 3
    not_encrypted = "end-to-end encryption is required, and off in this room; --no-e2ee allows that"
    assert join(server.room("Open", e2ee=False)) == (3, not_encrypted)
    assert join(server.room(""))[0] == 2
    assert join(server.room("Hall", fingerprint=bytes(20)))[0] == 4
    status, line = join(server.room("Hall", fingerprint=None, host="localhost"))
    assert status == 4
    assert server.link.fingerprint is not None
    assert format_fingerprint(server.link.fingerprint) in line
    with taking_part(server.room("Nook"), tmp_path / "other"):
        assert join(server.room("Nook")) == (3, "the room is full")
    assert join(server.room("Hall", port=1)) == (1, "127.0.0.1:1: Connection refused")


@pytest.mark.parametrize("what", ["--audio", "--video"])
def test_files_that_cannot_be_played(tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str) -> None:
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(CLIP.read_bytes()[:5000])
    without = SPEECH if what == "--video" else broken
    for file in (tmp_path / "missing.wav", broken, tmp_path, without):
        status, line = complaint(capfd, "demo", what, str(file), "--out", str(tmp_path / "out"))
        assert status == 2
        assert line.startswith(f"{file}: ")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--participants", "1"], "--participants is 2 to 100"),
        (["--participants", "101"], "--participants is 2 to 100"),
        (["--talkers", "4"], "--talkers is 0 to the number of participants"),
        (["--cameras", "-1"], "--cameras is 0 to the number of participants"),
        (["--talkers", "0", "--cameras", "0"], "somebody has to speak or to show video"),
        (["--seconds", "nan"], "--seconds is 1 to 86400"),
        (["--seconds", "0.5"], "--seconds is 1 to 86400"),
    ],
)
def test_a_demonstration_that_cannot_be(capfd: pytest.CaptureFixture[str], options: list[str], text: str) -> None:
    assert complaint(capfd, "demo", "--json", *options) == (2, text)


def test_a_place_that_cannot_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    assert complaint(capfd, "demo", "--seconds", "1", "--out", str(file)) == (1, f"{file}: is not a folder")


_WITHOUT_OPUS = """
import ctypes, sys

class Library(ctypes.CDLL):
    def __init__(self, name, *more):
        if "opus" in str(name):
            raise OSError("no such library")
        super().__init__(name, *more)

ctypes.CDLL = Library
from tcclient.cli.main import main
sys.exit(main())
"""


def test_a_machine_without_opus(shared_server: Server, tmp_path: Path) -> None:
    marked = environment(tmp_path)
    link = str(shared_server.room("Hall"))
    join = ["join", link, "--user", "ketua", "--password-stdin", "--data", str(tmp_path / "client")]
    for command in (["demo"], join):
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_OPUS, *command],
            cwd=tmp_path,
            env=marked,
            input=PASSWORD,
            timeout=PATIENCE,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "tcclient: no Opus library found: pip install av, or install libopus with the system's package manager"
        ]


def test_a_probe(shared_server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    assert shared_server.link.fingerprint is not None
    assert main(["probe", str(shared_server.link), "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["versions"] == [1]
    assert figures["fingerprint"] == format_fingerprint(shared_server.link.fingerprint)
    assert figures["udp_received"] == figures["udp_sent"] > 0
    assert main(["probe", str(shared_server.room("", fingerprint=bytes(20)))]) == 4
    assert "NOT the one in the link" in capfd.readouterr().out
    assert complaint(capfd, "probe", "tc://127.0.0.1:1") == (1, "127.0.0.1:1: Connection refused")
    assert complaint(capfd, "probe", "tc://[::1]:1") == (1, "[::1]:1: Connection refused")
    assert complaint(capfd, "probe", "127.0.0.1:1") == (1, "127.0.0.1:1: Connection refused")
    status, line = complaint(capfd, "probe", shared_server.link.on_the_web(shared_server.link.port))
    assert (status, line) == (2, "that is a web link, for a browser; a join link begins with tc://")


def test_how_the_end_of_a_meeting_is_told_to_a_script(server: Server, tmp_path: Path) -> None:
    link = server.room("Hall")
    with taking_part(link, tmp_path / "quit") as process:
        assert process.stdin is not None
        process.stdin.write("/quit\n")
        process.stdin.flush()
        assert process.wait(PATIENCE) == 0
    with taking_part(link, tmp_path / "terminated") as process:
        process.terminate()
        assert process.wait(PATIENCE) == 0
    with taking_part(link, tmp_path / "lost", "--once") as process:
        server.process.kill()
        assert process.wait(PATIENCE) == 1
        assert process.stdout is not None
        (closed,) = [event for event in map(json.loads, process.stdout) if event["event"] == "closed"]
        assert (closed["code"], closed["action"]) == (None, "reconnect")
        assert closed["text"] == "the connection was lost"


def test_a_connection_that_is_lost_before_the_seat_is_no_refusal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def end_each() -> None:
        for _ in ("the stream path", "a plain connection"):
            listening.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        ending = threading.Thread(target=end_each)
        ending.start()
        options = ["--user", "kantor-1", "--password-stdin", "--data", str(tmp_path / "client")]
        link = Link("127.0.0.1", listening.getsockname()[1], "Hall", bytes(20))
        assert complaint(capfd, "join", str(link), "--once", *options) == (1, "the connection was lost")
        ending.join()


def test_a_password_may_come_from_a_file(shared_server: Server, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    options = ["--user", "kantor-2", "--password-stdin", "--seconds", "0.2", "--data", str(tmp_path / "data")]
    with (tmp_path / "password").open() as stdin:
        done = subprocess.run(
            [*COMMAND, "join", str(shared_server.room("Hall")), *options], stdin=stdin, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_unicode_still_shows_who_is_there(shared_server: Server, tmp_path: Path) -> None:
    link = shared_server.room("Pagi \N{PARTY POPPER}")
    options = ["--user", "ketua", "--name", "Sri \N{PARTY POPPER}", "--password-stdin", "--seconds", "0.5"]
    done = subprocess.run(
        [*COMMAND, "join", str(link), *options, "--data", str(tmp_path / "client")],
        input=PASSWORD + "\n",
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        timeout=PATIENCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "in room Pagi \\U0001f389, end-to-end encrypted; 1 here" in done.stdout
