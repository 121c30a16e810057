"""A command at a terminal, and what its user sees."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable

import pyte

from tests.support.processes.world import PATIENCE


class Terminal:
    """A command at a terminal of 80 columns; ``screen`` is what its user sees."""

    def __init__(self, *command: str, columns: int = 80) -> None:
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execv(command[0], command)
        self.text = ""
        self._seen = 0
        self.screen = pyte.Screen(columns, 24)
        self._stream = pyte.ByteStream(self.screen)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def resize(self, columns: int) -> None:
        """Make the window wider or narrower."""
        self.screen.resize(24, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    @property
    def echoes(self) -> bool:
        """Return whether it shows by itself what is typed."""
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    @property
    def shown(self) -> list[str]:
        """Return the lines that are not empty."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def read(self, seconds: float = 0.1) -> None:
        """Take the output that has come."""
        if select.select([self._fd], [], [], seconds)[0]:
            data = os.read(self._fd, 65536)
            self.text += data.decode(errors="replace")
            self._stream.feed(data)

    def until(self, text: str) -> None:
        """Read until a text is written, behind the text of the call before."""
        self.wait(lambda: text in self.text[self._seen :], text)
        self._seen = self.text.index(text, self._seen) + len(text)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Read until a condition holds."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"{what!r} does not come: {self.shown} {self.text!r}"
            self.read()

    def bottom(self, *lines: str) -> None:
        """Read until the last lines on the screen begin so."""
        self.wait(lambda: all(map(str.startswith, self.shown[-len(lines) :], lines)) and self.shown, repr(lines))

    def end(self) -> int:
        """Read the rest, and return the exit status."""
        with contextlib.suppress(OSError):
            while True:
                self.read(PATIENCE)
        assert self.echoes, "the terminal is as it was"
        self.close()
        return self.status()

    def close(self) -> None:
        """Close the window."""
        os.close(self._fd)

    def status(self) -> int:
        """Wait for the end, and return the exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
