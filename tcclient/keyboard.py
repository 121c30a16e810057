"""What is typed while attending a room: texts, and lines that begin with a slash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence

from tcclient.bulletin import Bulletin
from tcclient.errors import RequestRefused, RoomClosed
from tcclient.line_editor import LineEditor
from tcclient.participant import Participant
from tcclient.publication import Publication
from tcclient.room import Room
from tcproto.messages import CloseRoom, Kick, Kind, Role, SetRole, Source, UpdateRoom

MAX_LINE = 1 << 16
"""Bytes of a line typed."""


class Keyboard:
    """Obeys the lines of standard input; ``leave`` is called for /quit, ``restart`` for /mic and /camera."""

    def __init__(
        self,
        room: Room,
        publications: Callable[[], Sequence[Publication]],
        bulletin: Bulletin,
        leave: Callable[[], None],
        restart: Callable[[Source, str | None], None],
    ) -> None:
        self._room = room
        self._publications = publications
        self._bulletin = bulletin
        self._leave = leave
        self._commands: dict[str, Callable[[str], Awaitable[None] | None]] = {
            "/quit": lambda _: leave(),
            "/mute": lambda _: self._mute(True),
            "/unmute": lambda _: self._mute(False),
            "/talk": lambda _: self._talk(True),
            "/hush": lambda _: self._talk(False),
            "/mic": lambda rest: restart(Source.MICROPHONE, rest or None),
            "/camera": lambda rest: restart(Source.CAMERA, rest or None),
            "/who": lambda _: bulletin.roster(room),
            "/code": lambda _: bulletin.say("safety_code", room.safety_code),
            "/quality": lambda _: bulletin.network(room),
            "/msg": self._message,
            "/kick": lambda rest: room.request(Kick(self._find(rest).id)),
            "/role": self._role,
            "/title": lambda rest: room.request(UpdateRoom(title=_text("/title", rest))),
            "/limit": lambda rest: room.request(UpdateRoom(max_participants=_number(rest))),
            "/close": lambda _: room.request(CloseRoom()),
        }

    async def obey(self) -> None:
        """Do what is typed until nothing more can be."""
        async with contextlib.aclosing(_typed_lines(self._bulletin)) as lines:
            async for line in lines:
                try:
                    await self._do(line)
                except (RequestRefused, ValueError) as error:
                    self._bulletin.problem(str(error))
                except RoomClosed:
                    return

    async def _do(self, line: str) -> None:
        if not line.startswith("/"):
            await self._room.chat(line)
            self._bulletin.said(self._room, line)
            return
        word, _, rest = line.partition(" ")
        command = self._commands.get(word)
        if command is None:
            raise ValueError(f"{word} is no command: {' '.join(self._commands)}")
        done = command(rest.strip())
        if done is not None:
            await done

    def _mute(self, muted: bool) -> None:
        for publication in self._sent():
            publication.mute(muted)

    def _talk(self, pressed: bool) -> None:
        for publication in self._sent(Kind.AUDIO):
            publication.talk(pressed)

    def _sent(self, *kinds: Kind) -> list[Publication]:
        """Return what is being sent, of some kinds only if there are any; raises ``ValueError`` if that is nothing."""
        found = [publication for publication in self._publications() if not kinds or publication.kind in kinds]
        if not found:
            raise ValueError("no sound is being sent" if kinds else "nothing is being sent")
        return found

    async def _message(self, rest: str) -> None:
        who, _, text = rest.partition(" ")
        await self._room.chat(_text("/msg WHO", text), to=self._find(who))

    async def _role(self, rest: str) -> None:
        who, _, role = rest.rpartition(" ")
        allowed = [str(known) for known in Role if known is not Role.UNKNOWN]
        if role not in allowed:
            raise ValueError(f"a role is one of {', '.join(allowed)}")
        await self._room.request(SetRole(self._find(who).id, Role(role)))

    def _find(self, who: str) -> Participant:
        """Return the one participant of that account, or with that text in the name."""
        everybody = self._room.participants.values()
        found = [p for p in everybody if p.account == who] or [
            p for p in everybody if who and who.casefold() in p.label.casefold()
        ]
        if len(found) != 1:
            names = ", ".join(p.label for p in found)
            raise ValueError(f"{who!r} is nobody here" if not found else f"{who!r} may be {names}: say more")
        return found[0]


def _text(command: str, text: str) -> str:
    if not text:
        raise ValueError(f"{command} takes a text")
    return text


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("/limit takes a number of participants")
    return int(text)


async def _typed_lines(bulletin: Bulletin) -> AsyncGenerator[str]:
    """Iterate over lines of standard input that hold something."""
    if not _is_typed():
        return
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE)
    try:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    except (ValueError, OSError, NotImplementedError):  # the loops of Windows read no pipes
        return
    try:
        with _key_by_key(bulletin.has_bottom) as editing:
            lines = _edited_lines(reader, bulletin) if editing else _whole_lines(reader, bulletin)
            async for line in lines:
                if text := line.strip():
                    yield text
    finally:
        transport.close()


def _is_typed() -> bool:
    """Whether standard input is a terminal or a pipe; of a file uvloop cannot even be asked, it ends the process."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, ValueError, OSError):  # there is none
        return False
    return os.isatty(descriptor) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _whole_lines(reader: asyncio.StreamReader, bulletin: Bulletin) -> AsyncIterator[str]:
    """Iterate over lines; complain of those that are too long."""
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            bulletin.problem(f"a line has at most {MAX_LINE} bytes")
            continue
        if not line:
            return
        # What a terminal sends for its keys is no text, and the wire refuses control characters.
        yield "".join(filter(str.isprintable, line.decode(errors="replace")))


async def _edited_lines(reader: asyncio.StreamReader, bulletin: Bulletin) -> AsyncIterator[str]:
    """Iterate over lines that are typed at the bottom of a terminal."""
    editor = LineEditor()
    while keys := await reader.read(MAX_LINE):
        lines = editor.feed(keys)
        bulletin.typing(editor.text)
        for line in lines:
            # A text to all is shown as it was said.
            if line.startswith("/"):
                bulletin.typed(line)
            yield line


@contextlib.contextmanager
def _key_by_key(wanted: bool) -> Iterator[bool]:
    """Have the terminal hand over keys as they are pressed, without showing them; gives whether it does.

    It does not where standard input is none, or belongs to another job.
    """
    try:
        import termios

        before = termios.tcgetattr(sys.stdin)
        is_ours = os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (ImportError, OSError, ValueError):
        yield False
        return
    except termios.error:
        yield False
        return
    if not wanted or not is_ours:
        yield False
        return
    changed = [*before]
    changed[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(sys.stdin, termios.TCSANOW, changed)
    try:
        yield True
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
