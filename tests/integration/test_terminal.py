"""The client as a person at a terminal has it."""

import contextlib
import os
import pty
import select
import termios
import time
from pathlib import Path

from tcproto.identity import format_fingerprint
from tests.integration.client_process import COMMAND, taking_part
from tests.integration.world import PASSWORD, PATIENCE, Server


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
            ("/title", "tcclient: /title takes a text"),
            ("/msg kantor-2", "tcclient: /msg WHO takes a text"),
            ("/mute", "tcclient: nothing is being sent"),
            ("/talk", "tcclient: no sound is being sent"),
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
