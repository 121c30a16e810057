"""What a person reads while attending a room, or a script: a line for each thing that happens, and one that stays."""

from __future__ import annotations

import json
import time
from typing import Any

from tcclient import events
from tcclient.columns import fold
from tcclient.console import Console
from tcclient.listener import Listener
from tcclient.marks import described, in_words, mark_words, marks_of
from tcclient.publication import Publication
from tcclient.room import Room
from tcclient.status_line import RecentLoss, Sample, Status
from tcclient.track import Track
from tcproto.errors import ErrorCode, Refusal
from tcproto.foreign import visible_lines
from tcproto.messages import ChatScope, Kind

MAX_ROSTER = 20
"""Participants that are listed at joining: what a screen shows. Doubtful ones are always listed."""
_SCOPES = {ChatScope.PARTICIPANT: " (to you alone)", ChatScope.SERVER: " (to everybody on the server)"}
"""What is said of a text that is not for the room."""


class Bulletin:
    """Writes to a console, as text or as JSON; ``listening``: who speaks is told in lines where no line stays."""

    def __init__(self, console: Console, *, as_json: bool, listening: bool = False) -> None:
        self.console = console
        self._json = as_json
        self._listening = listening
        self._room: Room | None = None
        self._recent = RecentLoss()
        self._loss = (0.0, 0.0)

    # Lines

    def seated(self, room: Room) -> None:
        """Tell that the seat is taken, how the room is encrypted, and who is here."""
        self._room = room
        self.console.open()
        info = room.info
        mode = "end-to-end encrypted" if info.e2ee else "NOT end-to-end encrypted: the server can hear it"
        everybody = list(room.participants.values())
        self._line(
            "joined",
            f"in room {info.title or info.name}, {mode}; {len(everybody)} here",
            room=info.name,
            e2ee=info.e2ee,
            participants=[p.label for p in everybody],
            roster=[described(p) for p in everybody],
        )
        if not self._json:
            others = [p for p in everybody if not p.me]
            listed = [p for place, p in enumerate(others) if place < MAX_ROSTER or marks_of(p)]
            for participant in listed:
                self._line("participant", f"  {in_words(participant)}")
            if len(listed) < len(others):
                self._line("participant", f"  and {len(others) - len(listed)} more: /who lists all")

    def tell(self, event: events.Event) -> None:
        """Tell what happened."""
        match event:
            case events.ParticipantJoined(who):
                self._line("participant_joined", f"+ {who.label}{mark_words(who)}", **described(who))
            case events.ParticipantLeft(who, code):
                reason = f" ({code})" if code else ""
                self._line("participant_left", f"- {who.label}{reason}", who=who.label, code=code)
            case events.ParticipantUpdated(who):
                self._line("participant_updated", f"{who.label} is {who.role} now", who=who.label, role=str(who.role))
            case events.TrackPublished(track) | events.TrackUnpublished(track) | events.TrackUpdated(track):
                self._track(event, track)
            case events.SpeakersChanged():
                self._speakers(event)
            case events.ChatReceived():
                name = event.name + _SCOPES.get(event.scope, "")
                self._line("chat", f"{name}: {event.text}", who=event.name, text=event.text, scope=event.scope)
            case _:
                self._other(event)
        self.refresh()

    def _track(self, event: events.Event, track: Track) -> None:
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

    def _speakers(self, event: events.SpeakersChanged) -> None:
        """Tell who speaks; of people that is no line of its own where the line that stays shows it."""
        if not self._json and (self.console.columns is not None or not self._listening):
            return
        names = ", ".join(p.label for p in event.speaking)
        self._line(
            "speakers",
            f"speaking: {names}" if names else "nobody is speaking",
            speaking=[p.label for p in event.speaking],
            dominant=event.dominant.label if event.dominant else None,
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

    def said(self, name: str, text: str, to: str | None = None) -> None:
        """Show a text of our own; ``to`` is the label of whom it is for, None for all."""
        scope = ChatScope.ROOM if to is None else ChatScope.PARTICIPANT
        address = "" if to is None else f" (to {to} alone)"
        self._line("chat", f"{name}{address}: {text}", who=name, text=text, scope=str(scope), to=to)

    def say(self, name: str, text: str, **fields: Any) -> None:
        """Tell something about ourselves."""
        self._line(name, text, text=text, **fields)

    def typed(self, line: str) -> None:
        """Leave a command that was typed where it can be read."""
        if self.console.columns is not None:
            self._show(f"> {line}")

    def roster(self, room: Room) -> None:
        """List who is here."""
        for who in room.participants.values():
            mark = "*" if who.speaking else " "
            self._line("participant", f"{mark} {in_words(who)}", **described(who))

    def network(self, room: Room) -> None:
        """Tell how the network does, in a line that stays."""
        figures = self._figures(room, None)
        if figures is not None:
            rtt = "-" if figures["rtt_ms"] is None else f"{figures['rtt_ms']:.0f} ms"
            loss = f"loss up {figures['loss_up_percent']:.1f} %, down {figures['loss_down_percent']:.1f} %"
            self._line("quality", f"UDP {figures['udp']} | RTT {rtt} | {loss}", **figures)

    def problem(self, text: str, code: ErrorCode | None = None, line: str | None = None) -> None:
        """Tell of a mistake, on standard error, and a script on standard output too; ``line`` is what was refused."""
        if self._json:
            typed = {} if line is None else {"input": line}
            self._line("error", "", code=code, text=text, **typed)
        for shown in fold(visible_lines(f"tcclient: {text}"), self.console.columns):
            self.console.complain(shown)

    def finish(self) -> None:
        """Write what waits, and leave the terminal as it was."""
        self.console.finish()

    # The line that stays

    def quality(self, room: Room, listener: Listener | None) -> None:
        """Update the line that stays, or print a line of JSON; to be called every second."""
        figures = self._figures(room, listener)
        if figures is None:
            return
        if self._json:
            self._line("quality", "", **figures)
        path, tracks = room.path_statistics, [track.statistics for track in room.tracks]
        received, lost = sum(t.packets for t in tracks), sum(t.lost for t in tracks)
        self._loss = self._recent.add(Sample(path.up_sent, path.up_lost, received, lost))
        self.refresh()

    def refresh(self) -> None:
        """Show the present state in the line that stays."""
        room = self._room
        if room is None or room.closed is not None:
            return
        try:
            rtt = room.path_statistics.rtt
        except Refusal:
            return
        sent = list(room.publications.values())
        status = Status(
            microphone=_state(sent, Kind.AUDIO),
            camera=_state(sent, Kind.VIDEO),
            path=str(room.path),
            loss_up=self._loss[0],
            loss_down=self._loss[1],
            rtt_ms=None if rtt is None else rtt * 1000,
            here=len(room.participants),
            speaking=tuple(p.label for p in room.participants.values() if p.speaking),
        )
        self.console.status(status)

    def _figures(self, room: Room, listener: Listener | None) -> dict[str, Any] | None:
        try:
            path = room.path_statistics
        except Refusal:
            return None
        tracks = [track.statistics for track in room.tracks]
        packets, lost = sum(t.packets for t in tracks), sum(t.lost for t in tracks)
        figures: dict[str, Any] = {
            "udp": str(room.path),
            "rtt_ms": None if path.rtt is None else round(path.rtt * 1000, 1),
            "loss_up_percent": round(100 * path.up_lost / path.up_sent, 2) if path.up_sent else 0.0,
            "loss_down_percent": round(100 * lost / (packets + lost), 2) if packets else 0.0,
            "packets": packets,
            "participants": len(room.participants),
        }
        if listener is not None:
            counts = listener.statistics()
            figures["concealed_ms"] = round(sum(c.concealed_ms for c in counts.values()))
            figures["delay_ms"] = round(max((c.delay_ms for c in counts.values()), default=0.0))
        return figures

    def _line(self, name: str, text: str, /, **fields: Any) -> None:
        if self._json:
            self.console.show(json.dumps({"event": name, **fields}))
        else:
            self._show(f"{time.strftime('%H:%M:%S')} {text}")

    def _show(self, text: str) -> None:
        for line in fold(visible_lines(text), self.console.columns):
            self.console.show(line)


def _state(sent: list[Publication], kind: Kind) -> str:
    """Return what is told of a microphone or a camera."""
    publications = [publication for publication in sent if publication.kind is kind and not publication.ended]
    if not publications:
        return "off"
    if all(publication.muted for publication in publications):
        return "muted"
    return "on" if any(publication.open for publication in publications) else "hushed"
