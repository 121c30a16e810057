"""Handles what is typed in a room: texts to all, and commands."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import cast

from tcclient.cli.commands import COMMANDS, find, help_lines, parse, text_of
from tcclient.cli.output import Output
from tcclient.errors import ClientError, RoomClosed
from tcclient.participant import MAX_VOLUME, ROLES, SOURCES, Participant
from tcclient.publication import Publication
from tcclient.room import Room
from tcproto.errors import Refusal
from tcproto.messages import Kind, Permission, Source

PLEASE_MUTE = "Please mute your microphone."
PLEASE_UNMUTE = "Please unmute your microphone."
ALL = "all"
"""In place of a name: everybody of a lower rank."""
_OWN = {Source.MICROPHONE: "microphone", Source.CAMERA: "camera"}


class Keyboard:
    """Handles the lines of the output's console. ``leave`` is called for /quit, ``restart`` for /mic and /camera."""

    def __init__(
        self,
        room: Room,
        publications: Callable[[], Sequence[Publication]],
        output: Output,
        leave: Callable[[], None],
        restart: Callable[[Source, str | None], None],
    ) -> None:
        self._room = room
        self._publications = publications
        self._output = output
        self._commands: dict[str, Callable[[str], Awaitable[None] | None]] = {
            "/mute": lambda who: self._ask(who, True) if who else self._mute(Source.MICROPHONE, True),
            "/unmute": lambda who: self._ask(who, False) if who else self._mute(Source.MICROPHONE, False),
            "/hold": self._hold,
            "/release": self._release,
            "/hand": lambda _: room.raise_hand(),
            "/lower": self._lower,
            "/next": lambda _: self._next(),
            "/video": self._video,
            "/audio-only": self._audio_only,
            "/talk": lambda _: self._talk(True),
            "/hush": lambda _: self._talk(False),
            "/mic": lambda rest: restart(Source.MICROPHONE, rest or None),
            "/camera": lambda rest: restart(Source.CAMERA, rest or None),
            "/who": lambda _: output.roster(room),
            "/volume": self._volume,
            "/priority": self._priority,
            "/code": lambda _: output.say("safety_code", room.safety_code),
            "/quality": lambda _: output.network(room),
            "/data": lambda _: output.data(room),
            "/msg": self._message,
            "/notice": self._notice,
            "/kick": lambda rest: self._find(rest).kick(),
            "/role": self._role,
            "/title": lambda rest: room.update(title=_text("/title", rest)),
            "/limit": lambda rest: room.update(max_participants=_number(rest)),
            "/audio-only-all": lambda rest: room.audio_only_all(_is_on("/audio-only-all", rest)),
            "/lock": lambda _: room.lock(),
            "/unlock": lambda _: room.lock(False),
            "/close": lambda _: room.end_meeting(),
            "/help": self._help,
            "/quit": lambda _: leave(),
        }
        assert self._commands.keys() == {command.name for command in COMMANDS}

    async def obey(self) -> None:
        """Handle the lines until the input ends. A line that fails is reported and given back."""
        lines = cast("AsyncGenerator[str]", self._output.console.lines())
        async with contextlib.aclosing(lines):
            async for line in lines:
                if line.strip():
                    await self._obey(line)

    async def _obey(self, line: str) -> None:
        try:
            await self._do(line)
        except RoomClosed:
            return  # reported as the end of the meeting
        except (ClientError, Refusal, ValueError) as error:
            self._refused(error, line)
        self._output.refresh()

    def _refused(self, error: Exception, line: str) -> None:
        code = error.code if isinstance(error, ClientError | Refusal) else None
        text = error.text if isinstance(error, Refusal) else str(error)
        self._output.problem(text, code, line)
        self._output.console.give_back(line)

    async def _do(self, line: str) -> None:
        command = parse(line)
        if command is None:
            await self._say(text_of(line))
            return
        name, rest = command
        self._output.typed(line)
        if name != "/msg":  # a text is sent as it was typed, with the spaces at its end
            rest = rest.strip()
        if rest and not find(name).takes:
            raise ValueError(f"{name} takes nothing behind it; nothing was done")
        done = self._commands[name](rest)
        if done is not None:
            await done

    async def _say(self, text: str, to: Participant | None = None) -> None:
        _check(text)
        await self._room.chat(text, to=to)
        self._output.said(self._room.me.label, text, None if to is None else to.label)

    def _mute(self, source: Source, muted: bool) -> None:
        for publication in self._sent(source):
            publication.mute(muted)
        what = _OWN[source]
        self._output.say(what, f"your {what} is {'muted' if muted else 'on'}", muted=muted)

    def _video(self, rest: str) -> None:
        if rest not in ("", "on", "off"):
            raise ValueError("/video takes on or off, for your own camera")
        off = rest == "off" if rest else not all(publication.muted for publication in self._sent(Source.CAMERA))
        self._mute(Source.CAMERA, off)

    async def _audio_only(self, rest: str) -> None:
        on = _is_on("/audio-only", rest)
        await self._room.audio_only(on)
        self._output.say("audio_only", f"pictures come {'no more' if on else 'again'}", on=on)

    def _talk(self, pressed: bool) -> None:
        for publication in self._sent(Source.MICROPHONE):
            publication.talk(pressed)

    def _sent(self, source: Source) -> list[Publication]:
        """Return our publications of a source. Raises ``ValueError`` if there are none."""
        kind = Kind.AUDIO if source is Source.MICROPHONE else Kind.VIDEO
        found = [p for p in self._publications() if p.kind is kind and p.source.source is source]
        if not found:
            raise ValueError(f"your {_OWN[source]} is off: nothing of it is sent")
        return found

    async def _ask(self, who: str, muted: bool) -> None:
        """Ask to mute or unmute: by the server where we may, else in a private text."""
        may_ask = Permission.MUTE_OTHERS in Permission(self._room.permissions)
        if muted and who == ALL and may_ask:
            await self._room.mute_all()
            self._output.say("asked_to_mute", "all were asked to mute")
            return
        other = self._other(who)
        if not may_ask:
            await self._say(PLEASE_MUTE if muted else PLEASE_UNMUTE, other)
            return
        await (other.mute() if muted else other.ask_to_unmute())
        what = "mute" if muted else "unmute"
        self._output.say(f"asked_to_{what}", f"{other.label} was asked to {what}", who=other.label)

    async def _hold(self, rest: str) -> None:
        who, source = _source_of(rest)
        await (self._room.mute_all(source, hold=True) if who == ALL else self._other(who).mute(source, hold=True))

    async def _release(self, rest: str) -> None:
        who, source = _source_of(rest)
        await (self._room.release_all(source) if who == ALL else self._other(who).release(source))

    async def _lower(self, who: str) -> None:
        if not who:
            await self._room.lower_hand()
        elif who == ALL:
            await self._room.lower_all_hands()
        else:
            await self._find(who).lower_hand()

    async def _next(self) -> None:
        called = await self._room.call_next()
        if called is None:
            raise ValueError("no hand is raised")
        self._output.say("called", f"it is the turn of {called.label}", who=called.label)

    async def _message(self, rest: str) -> None:
        words = rest.split(maxsplit=1)
        text = words[1] if len(words) > 1 else ""
        await self._say(_text("/msg WHO", text), self._other(words[0] if words else ""))

    async def _notice(self, rest: str) -> None:
        text = _text("/notice", rest)
        _check(text)
        await self._room.notice(text)
        self._output.say("notice", f"everybody on the server was told: {text}")

    async def _role(self, rest: str) -> None:
        who, _, role = rest.rpartition(" ")
        if role not in ROLES:
            raise ValueError(f"/role takes WHO and a role; a role is one of {', '.join(ROLES)}")
        await self._find(who.strip()).set_role(role)

    def _volume(self, rest: str) -> None:
        who, _, percent = rest.rpartition(" ")
        if not percent.isdecimal() or int(percent) > MAX_VOLUME * 100:
            raise ValueError(f"/volume takes WHO and a percentage: 0 to {MAX_VOLUME * 100:.0f}, 100 as it came")
        other = self._other(who.strip())
        other.volume = int(percent) / 100
        self._output.say("volume", f"{other.label} is played at {int(percent)} %", who=other.label)

    def _priority(self, rest: str) -> None:
        other = self._other(rest)
        other.priority = not other.priority
        effect = "the others are lowered while" if other.priority else "nobody is lowered any more while"
        self._output.say("priority", f"{effect} {other.label} talks", who=other.label, priority=other.priority)

    def _help(self, rest: str) -> None:
        for line in help_lines(rest):
            self._output.say("help", line)

    def _other(self, who: str) -> Participant:
        """Return the participant of that name, other than ourselves."""
        found = self._find(who)
        if found.is_me:
            raise ValueError(f"{who} is you")
        return found

    def _find(self, who: str) -> Participant:
        """Return the one participant with that account or label, or with that text in the label."""
        everybody = self._room.everybody
        found = [p for p in everybody if who in (p.account, p.label)] or [
            p for p in everybody if who and who.casefold() in p.label.casefold()
        ]
        if len(found) != 1:
            names = ", ".join(p.label for p in found)
            raise ValueError(f"{who!r} is nobody here" if not found else f"{who!r} may be {names}: say more")
        return found[0]


def _check(text: str) -> None:
    """Raise ``ValueError`` for a control character, and name it: a refusal of the server would not name it."""
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"a text has no control characters (U+{ord(character):04X}); nothing was sent")


def _source_of(rest: str) -> tuple[str, Source]:
    """Return who is meant, and the source behind that: the microphone, unless another one is named."""
    who, _, word = rest.rpartition(" ")
    return (who.strip(), Source(word)) if who and word in SOURCES else (rest, Source.MICROPHONE)


def _is_on(command: str, text: str) -> bool:
    """Return what on or off stands for; nothing is on."""
    if text not in ("", "on", "off"):
        raise ValueError(f"{command} takes on or off")
    return text != "off"


def _text(command: str, text: str) -> str:
    if not text:
        raise ValueError(f"{command} takes a text")
    return text


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("/limit takes a number of participants")
    return int(text)
