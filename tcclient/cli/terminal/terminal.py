"""A terminal with an input line and a status line at its bottom. Everything else scrolls above them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TextIO, cast

from prompt_toolkit import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import DummyInput, Input
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput, TabsProcessor
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import is_dumb_terminal

from tcclient.cli.terminal.backlog import Backlog
from tcclient.cli.terminal.outlet import FLUSH_DEADLINE
from tcclient.cli.terminal.status_line import Status, status_line
from tcclient.cli.terminal.typed_lines import typed_lines

MAX_TYPED_LINES = 64
"""Lines that wait to be handled. A large paste comes as one line, and nobody types more ahead."""
MAX_ROWS = 6
"""Rows of the input line, so that a long text leaves the status line and the texts of others on the screen."""
PROMPT = "> "
_LFLAG, _CC = 3, 6
_IFLAG = 0


class Terminal:
    """Draws from a thread of its own, so that a terminal that takes nothing for a while stops nothing else.

    ``interactive`` tells whether lines are typed here; otherwise they are read from a pipe.
    """

    def __init__(self, lost_line: Callable[[int], str], *, interactive: bool) -> None:
        self._lost_line = lost_line
        self._interactive = interactive
        self._backlog = Backlog()
        self._status = Status()
        self._changed = threading.Lock()
        """Guards the backlog, and whether a drawing is due."""
        self._due = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._application: Application[None] | None = None
        self._listener: asyncio.AbstractEventLoop | None = None
        self._typed: asyncio.Queue[str | None] = asyncio.Queue(MAX_TYPED_LINES)
        self._before: list[Any] = []
        self._buffer = Buffer(accept_handler=self._accept, history=InMemoryHistory(), multiline=False)

    # Called from the loop of the room

    @property
    def columns(self) -> int | None:
        """See ``Console``."""
        return _columns()

    def open(self) -> None:
        """See ``Console``."""
        self._listener = asyncio.get_running_loop()
        if self._interactive:
            self._before = termios.tcgetattr(sys.stdin.fileno())
        self._thread.start()

    def show(self, line: str) -> None:
        """See ``Console``."""
        with self._changed:
            self._backlog.put(line)
        self._draw_soon()

    def complain(self, line: str) -> None:
        """See ``Console``; the line goes to the terminal, as all other lines."""
        self.show(line)

    def status(self, status: Status) -> None:
        """See ``Console``."""
        if status != self._status:
            self._status = status
            self._draw_soon()

    async def lines(self) -> AsyncIterator[str]:
        """See ``Console``."""
        if not self._interactive:
            async with contextlib.aclosing(typed_lines(self.complain)) as lines:
                async for line in lines:
                    yield line
            return
        while (typed := await self._typed.get()) is not None:
            yield typed

    def give_back(self, line: str) -> None:
        """See ``Console``; if the input line has another content by now, the line is in the history only."""

        def restore() -> None:
            if not self._buffer.text:
                self._buffer.insert_text(line)

        self._call(restore)

    def finish(self) -> None:
        """See ``Console``."""
        if self._thread.ident is None:
            return
        self._call(self._end)
        self._thread.join(FLUSH_DEADLINE)
        if self._thread.is_alive() and self._before:  # the terminal takes nothing: restore at least the keys
            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._before)

    def _draw_soon(self) -> None:
        """Let the thread draw. At most one call waits for it."""
        with self._changed:
            due, self._due = self._due, True
        if not due:
            self._call(self._draw)

    def _call(self, function: Callable[[], None]) -> None:
        if self._thread.ident is None:  # lines before ``open`` are shown when it is called
            return
        self._ready.wait()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the terminal is gone
                self._loop.call_soon_threadsafe(function)

    # In the thread

    def _run(self) -> None:
        try:
            with contextlib.suppress(EOFError, OSError):  # the terminal is gone; the room stays
                asyncio.run(self._live())
        finally:
            self._ready.set()
            self._hand_over(None)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as ends:
            screen = os.dup(sys.stdout.fileno())
            ends.callback(os.close, screen)
            output = Vt100_Output.from_pty(cast(TextIO, _Screen(screen, sys.stdout.encoding)))
            output.enable_cpr = False  # a question that not every terminal answers, and its answer is not needed
            keys: Input = _Keys(sys.stdin) if self._interactive else _NoKeys()
            self._application = self._make_application(keys, output)
            self._application.pre_run_callables.append(self._begin)
            await self._application.run_async(set_exception_handler=False, handle_sigint=False)

    def _make_application(self, keys: Input, output: Vt100_Output) -> Application[None]:
        typing = BufferControl(self._buffer, input_processors=[BeforeInput(PROMPT), TabsProcessor()])
        status = FormattedTextControl(lambda: status_line(self._status, (_columns() or 80) - 1), show_cursor=False)
        bindings = KeyBindings()

        @bindings.add("tab")
        def insert_tab(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\t")

        return Application(
            layout=Layout(
                HSplit(
                    [
                        ConditionalContainer(
                            Window(typing, height=Dimension(max=MAX_ROWS), wrap_lines=True, dont_extend_height=True),
                            Condition(lambda: self._interactive),
                        ),
                        Window(status, height=1, style="reverse"),
                    ]
                )
            ),
            key_bindings=bindings,
            input=keys,
            output=output,
            erase_when_done=True,
        )

    def _begin(self) -> None:
        self._ready.set()
        asyncio.get_running_loop().call_soon(self._draw)

    def _accept(self, buffer: Buffer) -> bool:
        """Hand over a line, and return whether it stays in the input line."""
        # Bytes that are no UTF-8 were taken as lone surrogates.
        typed = buffer.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self._hand_over(typed)
        return False

    def _hand_over(self, typed: str | None) -> None:
        def put() -> None:
            try:
                self._typed.put_nowait(typed)
            except asyncio.QueueFull:
                self.complain("tcclient: more was typed than can be sent at once; the last line was not taken")
                self.give_back(typed or "")

        if self._listener is not None:
            with contextlib.suppress(RuntimeError):  # the room was left meanwhile
                self._listener.call_soon_threadsafe(put)

    def _draw(self) -> None:
        """Write the waiting lines above the fixed lines, and draw the fixed lines again."""
        assert self._application is not None
        with self._changed:
            self._due = False
            lines = []
            while self._backlog:
                lost, line = self._backlog.take()
                lines += [self._lost_line(lost)] if lost else []
                lines.append(line)
        if lines:
            self._application.renderer.erase()
            self._application.output.write_raw("".join(line + "\n" for line in lines))
            self._application.output.flush()
        self._application.invalidate()

    def _end(self) -> None:
        assert self._application is not None
        self._draw()
        if self._application.is_running and not self._application.is_done:
            self._application.exit()


class _Screen:
    """The terminal as a text file without a buffer.

    A buffer has a lock, and a write that waits would hold up the end.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        self.encoding = encoding
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Write all of a text."""
        data = text.encode(self.encoding, "backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]
        return len(text)

    def flush(self) -> None:
        """Do nothing, since nothing is buffered."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._descriptor)


class _Keys(Vt100Input):
    """Keys as they are pressed. Ctrl-C stays a signal, which ends the program whatever its threads do."""

    @contextlib.contextmanager
    def raw_mode(self) -> Iterator[None]:
        """Read keys one by one, without showing them."""
        descriptor = self.fileno()
        before = termios.tcgetattr(descriptor)
        changed = termios.tcgetattr(descriptor)
        changed[_LFLAG] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
        changed[_IFLAG] &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
        changed[_CC][termios.VMIN] = 1
        for key in (termios.VSUSP, termios.VQUIT):  # a stopped client would lose its seat
            changed[_CC][key] = b"\0"
        termios.tcsetattr(descriptor, termios.TCSANOW, changed)
        try:
            yield
        finally:
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(descriptor, termios.TCSANOW, before)


class _NoKeys(DummyInput):
    """No keys, and no end of them either."""

    def attach(self, input_ready_callback: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Never call back."""
        return contextlib.nullcontext()


def can_be_drawn() -> bool:
    """Return whether standard output is a terminal that can move its cursor."""
    return sys.stdout is not None and sys.stdout.isatty() and not is_dumb_terminal()


def can_be_typed() -> bool:
    """Return whether standard input is our terminal; in a background job it belongs to another process."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # there is none
        return False


def _columns() -> int | None:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None
