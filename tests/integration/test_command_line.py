"""The client as a person at a terminal and a script have it: what it says, how it ends, and what it leaves behind."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcclient.cli import main
from tcclient.media import CLIP, SPEECH
from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tests.integration.world import PASSWORD, PATIENCE, Server, World

COMMAND = [sys.executable, "-m", "tcclient"]


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with world.process() as server:
        yield server


@contextlib.contextmanager
def typed(text: str) -> Iterator[None]:
    """Have a text on standard input."""
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
    """Run a command that fails; return its status and the one line that it says."""
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

    wrong = (3, "the username or the password is wrong")
    assert join(server.room("Hall"), password="wrong password") == wrong
    assert join(server.room("Hall"), user="nobody") == wrong
    assert join(server.room("Hall"), user="off") == wrong
    assert join(server.room("Hall"), user="not a name")[0] == 2
    assert join(server.room("Open"))[0] == 3
    assert join(server.room("Open", e2ee=False)) == (3, "end-to-end encryption is required, and off in this room")
    assert join(server.room(""))[0] == 2
    assert join(server.room("Hall", fingerprint=bytes(20)))[0] == 4
    status, line = join(server.room("Hall", fingerprint=None, host="localhost"))
    assert status == 4
    assert server.link.fingerprint is not None
    assert format_fingerprint(server.link.fingerprint) in line
    with taking_part(server.room("Nook"), tmp_path / "other"):
        assert join(server.room("Nook")) == (3, "the room is full")
    assert join(server.room("Hall", port=1)) == (1, "127.0.0.1:1: Connection refused")


@contextlib.contextmanager
def taking_part(link: Link, data: Path) -> Iterator["subprocess.Popen[str]"]:
    """Have a listener in a room, in a process of its own."""
    command = [*COMMAND, "join", str(link), "--user", "kantor-2", "--password-stdin", "--data", str(data), "--json"]
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
    assert complaint(capfd, "demo", "--seconds", "1", "--out", str(file)) == (1, f"{file}: File exists")


_WITHOUT_OPUS = """
import ctypes, sys

class Library(ctypes.CDLL):
    def __init__(self, name, *more):
        if "opus" in str(name):
            raise OSError("no such library")
        super().__init__(name, *more)

ctypes.CDLL = Library
from tcclient.cli import main
sys.exit(main())
"""


def test_a_machine_without_opus(server: Server, tmp_path: Path) -> None:
    marked = environment(tmp_path)
    join = ["join", str(server.room("Hall")), "--user", "ketua", "--password-stdin", "--data", str(tmp_path / "client")]
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


def test_a_probe(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    assert server.link.fingerprint is not None
    assert main(["probe", str(server.link), "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["versions"] == [1]
    assert figures["fingerprint"] == format_fingerprint(server.link.fingerprint)
    assert figures["udp_received"] == figures["udp_sent"] > 0
    assert main(["probe", str(server.room("", fingerprint=bytes(20)))]) == 4
    assert "NOT the one in the link" in capfd.readouterr().out
    assert complaint(capfd, "probe", "tc://127.0.0.1:1") == (1, "127.0.0.1:1: Connection refused")
    assert complaint(capfd, "probe", "tc://[::1]:1") == (1, "[::1]:1: Connection refused")


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


def environment(place: Path) -> dict[str, str]:
    """An environment whose temporary files can be seen."""
    (place / "temporary").mkdir()
    return os.environ | {"TMPDIR": str(place / "temporary"), "PYTHONPATH": os.getcwd(), "COLUMNS": "100"}


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


def left_of(place: Path) -> list[str]:
    """The processes that were started with temporary files in a place."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(place / "temporary").encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found


class Terminal:
    """A command at a terminal."""

    def __init__(self, *command: str) -> None:
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            os.execv(command[0], command)
        self.text = ""
        self._seen = 0

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    @property
    def echoes(self) -> bool:
        """Whether it shows by itself what is typed."""
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def until(self, text: str) -> None:
        """Read until a text is shown, behind the one that was waited for before."""
        until = time.monotonic() + PATIENCE
        while (found := self.text.find(text, self._seen)) < 0:
            assert time.monotonic() < until, f"{text!r} does not come: {self.text!r}"
            if select.select([self._fd], [], [], 0.1)[0]:
                self.text += os.read(self._fd, 65536).decode(errors="replace")
        self._seen = found + len(text)

    def end(self) -> int:
        """Read the rest; return the exit status."""
        with contextlib.suppress(OSError):
            while data := os.read(self._fd, 65536):
                self.text += data.decode(errors="replace")
        assert self.echoes, "the terminal is as it was"
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


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
    with taking_part(link, tmp_path / "lost") as process:
        server.process.kill()
        assert process.wait(PATIENCE) == 1
        assert process.stdout is not None
        (closed,) = [event for event in map(json.loads, process.stdout) if event["event"] == "closed"]
        assert (closed["code"], closed["action"]) == ("idle_timeout", "reconnect")


def test_a_password_may_come_from_a_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    options = ["--user", "kantor-2", "--password-stdin", "--seconds", "0.2", "--data", str(tmp_path / "data")]
    with (tmp_path / "password").open() as stdin:
        done = subprocess.run(
            [*COMMAND, "join", str(server.room("Hall")), *options], stdin=stdin, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_unicode_still_shows_who_is_there(server: Server, tmp_path: Path) -> None:
    options = ["--user", "ketua", "--name", "Sri \N{PARTY POPPER}", "--password-stdin", "--seconds", "0.5"]
    done = subprocess.run(
        [*COMMAND, "join", str(server.room("Pagi \N{PARTY POPPER}")), *options, "--data", str(tmp_path / "client")],
        input=PASSWORD + "\n",
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        timeout=PATIENCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "in room Pagi \\U0001f389, end-to-end encrypted; 1 here" in done.stdout


def test_a_person_may_leave_at_every_question(server: Server, tmp_path: Path) -> None:
    link = str(server.room("Hall", fingerprint=None))
    for answers, key, status in (("", "\x03", 130), (PASSWORD + "\n", "\x03", 130), (PASSWORD + "\n", "n\n", 4)):
        terminal = Terminal(*COMMAND, "join", link, "--user", "ketua", "--data", str(tmp_path / "terminal"))
        terminal.until("Password of ketua: ")
        if answers:
            terminal.type(answers)
            terminal.until("Is it the same? [y/N] ")
        terminal.type(key)
        assert terminal.end() == status
        assert "tcclient: " in terminal.text.splitlines()[-1]
        assert "Traceback" not in terminal.text
    assert not (tmp_path / "terminal" / "known_servers").exists()


def test_a_listener_at_a_terminal(server: Server, tmp_path: Path) -> None:
    link = server.room("Hall \N{PARTY POPPER}", fingerprint=None)
    command = [*COMMAND, "join", str(link), "--user", "ketua", "--name", "Ibu Ketua", "--listen"]
    terminal = Terminal(*command, "--data", str(tmp_path / "terminal"))
    terminal.until("Password of ketua: ")
    terminal.type(PASSWORD + "\n")
    terminal.until("Is it the same? [y/N] ")
    assert server.link.fingerprint is not None
    assert format_fingerprint(server.link.fingerprint) in terminal.text
    terminal.type("y\n")
    terminal.until("in room Hall \N{PARTY POPPER}, end-to-end encrypted; 1 here")
    terminal.until("1 here | speaking: nobody | UDP ok")
    with taking_part(link, tmp_path / "terminal") as other:
        assert other.stdin is not None
        assert other.stdout is not None
        terminal.until("+ Kantor Dua / kantor-2")
        other.stdin.write("x" * 100_000 + "\nselamat pagi\n/msg ketua rahasia\n")
        other.stdin.flush()
        terminal.until("Kantor Dua / kantor-2: selamat pagi")
        terminal.until("Kantor Dua / kantor-2 (to you alone): rahasia")
        for line, answer in (
            ("/who", "[speaker] only listens"),
            ("/code", ":"),
            ("/quality", "loss up"),
            ("/bogus", "tcclient: /bogus is no command"),
            ("/msg zz x", "tcclient: 'zz' is nobody here"),
            ("/limit many", "tcclient: /limit takes a number"),
            ("selamat \x16\x1b[2Jpagi", "Ibu Ketua: selamat pagi"),
            ("/limit 99999999999999999999", "tcclient: "),
            ("/title " + "x" * 500, "tcclient: "),
            ("x" * 3000, "tcclient: "),
            ("/role kantor-2 listener", "kantor-2 is listener now"),
            ("halo", "ketua / Ibu Ketua: halo"),
            ("/kick kantor-2", "- Kantor Dua / kantor-2 (kicked)"),
        ):
            terminal.type(line + "\n")
            terminal.until(answer)
        assert other.wait(PATIENCE) == 3
    assert not terminal.echoes
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.text
    assert PASSWORD not in terminal.text


def test_what_is_typed_stays_together_whatever_is_shown_meanwhile(server: Server, tmp_path: Path) -> None:
    link = server.room("Hall")
    options = ["--user", "ketua", "--name", "Ibu Ketua", "--listen", "--data", str(tmp_path / "terminal")]
    terminal = Terminal(*COMMAND, "join", str(link), *options)
    terminal.until("Password of ketua: ")
    terminal.type(PASSWORD + "\n")
    terminal.until("1 here | speaking: nobody | UDP ok")
    terminal.type("selXX\x7f\x7fa")
    terminal.until("> sela")
    with taking_part(link, tmp_path / "terminal") as other:
        assert other.stdin is not None
        terminal.until("+ Kantor Dua / kantor-2\r\n> sela")
        other.stdin.write("halo\n")
        other.stdin.flush()
        terminal.until("Kantor Dua / kantor-2: halo\r\n> sela")
        terminal.type("mat\n")
        terminal.until("Ibu Ketua: selamat\r\n")
        terminal.type("/msg kantor-2 rahasia\n")
        terminal.until("> /msg kantor-2 rahasia\r\n")
        other.terminate()
        assert other.wait(PATIENCE) == 0
    terminal.until("- Kantor Dua / kantor-2\r\n")
    terminal.type("/quit\n")
    terminal.until("> /quit\r\n")
    assert terminal.end() == 0
