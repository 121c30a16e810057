"""What a person reads while attending a room, or a script: lines as things happen, and one that stays."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any

from tcclient import events
from tcclient.line_editor import head, tail
from tcclient.listener import Listener
from tcclient.quality import brief, figures, full
from tcclient.retry import Retry
from tcclient.room import Room
from tcproto.messages import ChatScope

_SCOPES = {ChatScope.PARTICIPANT: " (to you alone)", ChatScope.SERVER: " (to everybody on the server)"}
"""What is said of a text that is not for the room."""
_PROMPT = "> "
"""Stands before what is typed."""


class Bulletin:
    """Writes to standard output; where that is a terminal, with a line at the bottom: what is typed, or the status."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self.has_bottom = sys.stdout.isatty() and not as_json
        """Whether there is a line that stays."""
        self._status = ""
        self._typed = ""

    # Lines

    def seated(self, room: Room) -> None:
        """Tell that the seat is taken, and how the room is encrypted."""
        info = room.info
        mode = "end-to-end encrypted" if info.e2ee else "NOT end-to-end encrypted: the server can hear it"
        self._line(
            "joined",
            f"in room {info.title or info.name}, {mode}; {len(room.participants)} here",
            room=info.name,
            e2ee=info.e2ee,
            participants=[p.label for p in room.participants.values()],
        )

    def trying_again(self, retry: Retry) -> None:
        """Tell why the room was not entered, and when it is tried again."""
        error = retry.error
        self._line(
            "retry",
            f"{error}; attempt {retry.attempt} in {retry.wait:.0f} s (Ctrl-C: give up)",
            text=str(error),
            code=error.code,
            attempt=retry.attempt,
            wait_s=round(retry.wait, 1),
        )

    def tell(self, event: events.Event) -> None:
        """Tell what happened."""
        match event:
            case events.ParticipantJoined(who):
                note = "" if who.verified else " (NOT VERIFIED)"
                self._line("participant_joined", f"+ {who.label}{note}", who=who.label, verified=who.verified)
            case events.ParticipantLeft(who, code):
                reason = f" ({code})" if code else ""
                self._line("participant_left", f"- {who.label}{reason}", who=who.label, code=code)
            case events.ParticipantUpdated(who):
                self._line("participant_updated", f"{who.label} is {who.role} now", who=who.label, role=str(who.role))
            case events.TrackPublished(track) | events.TrackUnpublished(track) | events.TrackUpdated(track):
                self._track(event, track)
            case events.SpeakersChanged(speaking, dominant):
                names = ", ".join(p.label for p in speaking)
                self._line(
                    "speakers",
                    f"speaking: {names}" if names else "nobody is speaking",
                    speaking=[p.label for p in speaking],
                    dominant=dominant.label if dominant else None,
                )
            case events.ChatReceived():
                name = event.name + _SCOPES.get(event.scope, "")
                self._line("chat", f"{name}: {event.text}", who=event.name, text=event.text, scope=event.scope)
            case _:
                self._other(event)

    def _track(self, event: events.Event, track: Any) -> None:
        name = {"TrackPublished": "published", "TrackUnpublished": "unpublished"}.get(type(event).__name__, "muted")
        words = {"published": "sends", "unpublished": "no longer sends"}
        what = words.get(name) or ("muted" if track.muted else "unmuted")
        self._line(
            f"track_{name}",
            f"{track.participant.label} {what} {track.source}",
            who=track.participant.label,
            source=str(track.source),
            codec=track.codec,
            muted=track.muted,
        )

    def _other(self, event: events.Event) -> None:
        match event:
            case events.PathChanged(state):
                self._line("path", f"UDP {state}", state=str(state))
            case events.MembershipMismatch(who):
                self._line("mismatch", f"WARNING: {who.label} sees other members than you do", who=who.label)
            case events.Closed(code, text, action, retry):
                self._line("closed", f"closed: {text}", code=code, text=text, action=action, retry_after_ms=retry)
            case _:
                self._line("room_updated", "the room was changed")

    def said(self, room: Room, text: str) -> None:
        """Show a text of our own."""
        self._line("chat", f"{room.me.label}: {text}", who=room.me.label, text=text, scope="room")

    def say(self, name: str, text: str) -> None:
        """Tell something about ourselves."""
        self._line(name, text, text=text)

    def roster(self, room: Room) -> None:
        """List who is here."""
        for who in room.participants.values():
            sends = ", ".join(str(t.source) + " (muted)" * t.muted for t in who.tracks.values()) or "only listens"
            mark = "*" if who.speaking else " "
            note = "" if who.verified else " NOT VERIFIED"
            self._line("participant", f"{mark} {who.label} [{who.role}] {sends}{note}", who=who.label, sends=sends)

    def network(self, room: Room) -> None:
        """Tell how the network does, in a line that stays."""
        found = self._figures(room, None)
        if found is not None:
            self._line("quality", full(found), **found)

    def problem(self, text: str) -> None:
        """Tell of a mistake, on standard error."""
        self._clear()
        sys.stderr.write(f"tcclient: {text}\n")
        sys.stderr.flush()
        self._redraw()

    # The line that stays

    def quality(self, room: Room, listener: Listener | None) -> None:
        """Update the status line, or print a line of JSON."""
        found = self._figures(room, listener)
        if found is None:
            return
        if self._json:
            self._line("quality", "", **found)
        elif self.has_bottom:
            speaking = ", ".join(p.label for p in room.participants.values() if p.speaking) or "nobody"
            status = f"{len(room.participants)} here | speaking: {speaking} | {brief(found)}"
            if status != self._status:
                self._clear()
                self._status = status
                self._redraw()

    def typing(self, text: str) -> None:
        """Show what is being typed, instead of the status while there is anything."""
        self._clear()
        self._typed = text
        self._redraw()

    def typed(self, line: str) -> None:
        """Leave a line that was typed where it can be read."""
        self._clear()
        print(_PROMPT + line, flush=True)
        self._redraw()

    def finish(self) -> None:
        """Take the status line away."""
        self._clear()
        self._status = self._typed = ""
        sys.stdout.flush()

    def _figures(self, room: Room, listener: Listener | None) -> dict[str, Any] | None:
        if room.closed is not None:
            return None
        found = figures(room.network, None if listener is None else listener.statistics().values())
        return {**found, "participants": len(room.participants)}

    def _line(self, name: str, text: str, /, **fields: Any) -> None:
        if self._json:
            print(json.dumps({"event": name, **fields}), flush=True)
            return
        self._clear()
        # What others wrote is shown as it is, but for what a terminal would obey.
        shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
        print(f"{time.strftime('%H:%M:%S')} {shown}", flush=True)
        self._redraw()

    def _clear(self) -> None:
        if self.has_bottom and (self._status or self._typed):
            sys.stdout.write("\r\x1b[K")

    def _redraw(self) -> None:
        if self.has_bottom and (self._status or self._typed):
            room = shutil.get_terminal_size().columns - 1
            bottom = _PROMPT + tail(self._typed, room - len(_PROMPT)) if self._typed else head(self._status, room)
            sys.stdout.write(bottom)
            sys.stdout.flush()
