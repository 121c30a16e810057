"""The output of ``join``, for a user or a script: a line for each event, and the status line."""

from __future__ import annotations

import json
import time
from typing import Any

from tcclient import events
from tcclient.cli import limits
from tcclient.cli.marks import FAULTY, described, in_words, mark_words, marks_of, may_send
from tcclient.cli.quality import ADVICE, LIMITS, Figures, figures, full, path_in_words
from tcclient.cli.terminal.columns import fold
from tcclient.cli.terminal.console import Console
from tcclient.cli.terminal.status_line import Status
from tcclient.core.downlink.cause import Cause
from tcclient.participant import Participant
from tcclient.playout.listener import Listener
from tcclient.publication import Publication
from tcclient.room import Room
from tcclient.track import Track
from tcclient.transport.retry import Retry
from tcproto.errors import ErrorCode
from tcproto.foreign import visible_lines
from tcproto.messages import ChatScope, Quality, Source

MAX_ROSTER = 20
"""Participants that are listed after joining: one screen. Doubtful ones are always listed."""
_SCOPES = {ChatScope.PARTICIPANT: " (to you alone)", ChatScope.SERVER: " (notice of the server)"}
"""What is added to the name of a sender, if the text is not for the room."""

_DOUBTS: dict[type[events.Event], tuple[str, str]] = {
    events.MembershipMismatch: ("mismatch", "WARNING: {} sees other members than you do"),
    events.MembershipAgreed: ("agreed", "{} sees the same members as you again"),
    events.MemberSilent: (
        "silent",
        "WARNING: {} gives no sign: no UDP there, or the server hides it; it gets no new keys",
    ),
    events.MemberHeard: ("heard", "{} gives signs again"),
    events.CommitmentMismatch: ("other_key", "WARNING: {} gave you another key than it tells everybody"),
    events.TextMissing: ("text_missing", "WARNING: a text of {} did not come"),
}
"""Events about doubts, with name and text of their lines."""


class Output:
    """Writes to a console, as text or as JSON.

    With ``listening``, lines report who speaks if there is no status line.
    """

    def __init__(self, console: Console, *, as_json: bool, listening: bool = False) -> None:
        self.console = console
        self._json = as_json
        self._listening = listening
        self._room: Room | None = None
        self._found: Figures = {}
        self._told_limited: set[Track] = set()
        """Tracks of which a user was told that less of them comes."""
        self._bad: set[int] = set()
        """Participants whose connection was reported as bad."""

    # Lines

    def seated(self, room: Room) -> None:
        """Report that the seat is taken, how the room is encrypted, and who is here."""
        self._room = room
        self.console.open()
        info = room.info
        mode = "end-to-end encrypted" if info.e2ee else "NOT end-to-end encrypted: the server can hear and read it"
        others = list(room.participants.values())
        everybody = room.everybody
        self._line(
            "joined",
            f"in room {info.title or info.name}, {mode}; {len(everybody)} here",
            room=info.name,
            e2ee=info.e2ee,
            participants=[p.label for p in everybody],
            roster=[described(p, room.tracks_of(p)) for p in everybody],
        )
        if not self._json:
            listed = [p for place, p in enumerate(others) if place < MAX_ROSTER or marks_of(p)]
            for participant in listed:
                self._line("participant", f"  {in_words(participant, room.tracks_of(participant), room.hands)}")
            if len(listed) < len(others):
                self._line("participant", f"  and {len(others) - len(listed)} more: /who lists all")

    def trying_again(self, retry: Retry) -> None:
        """Report why the room was not entered, and when the next attempt is."""
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
        """Report an event."""
        if isinstance(event, events.PublicationFailed | events.RecordingFailed):
            self._failed(event)
            return
        match event:
            case events.ParticipantJoined(who):
                self._line("participant_joined", f"+ {who.label}{mark_words(who)}", **self._described(who))
            case events.ParticipantLeft(who, code):
                self._bad.discard(who.id)
                reason = f" ({code})" if code else ""
                self._line("participant_left", f"- {who.label}{reason}", who=who.label, code=code)
            case events.ParticipantUpdated(who):
                text = f"{who.label} is {who.role} now, and may send {may_send(who)}"
                self._line(
                    "participant_updated",
                    text,
                    who=who.label,
                    role=str(who.role),
                    permissions=who.permissions,
                )
            case events.HandChanged(who):
                text = "raises the hand" if who.hand else "has the hand down"
                self._line("hand", f"{who.label} {text}", who=who.label, raised=bool(who.hand))
            case events.TrackPublished(track) | events.TrackUnpublished(track) | events.TrackUpdated(track):
                self._track(event, track)
            case events.TrackLimited(track, cause, layer):
                self._limited(track, cause, layer)
            case events.SpeakersChanged():
                self._speakers(event)
            case events.ChatReceived():
                name = event.name + _SCOPES.get(event.scope, "")
                self._line(
                    "chat",
                    f"{name}: {event.text}",
                    who=event.name,
                    text=event.text,
                    scope=event.scope,
                    sealed=event.sealed,
                )
            case events.RoomUpdated(info):
                text = f"the room was changed{': it is for sound only' if info.audio_only else ''}"
                self._line("room_updated", text, audio_only=info.audio_only)
            case _:
                self._other(event)
        self.refresh()

    def _failed(self, event: events.PublicationFailed | events.RecordingFailed) -> None:
        """Report a failure on standard error, and to a script also on standard output."""
        if isinstance(event, events.RecordingFailed):
            name, text = "recording_failed", f"not recorded any more: {event.text}"
            fields = {"who": event.participant, "text": event.text}
        else:
            source = str(event.publication.source.source)
            name, text = "publication_failed", f"{source} is no longer sent: {event.text}"
            fields = {"source": source, "text": event.text}
        if self._json:
            self._line(name, text, **fields)
        self.problem(text)

    def _track(self, event: events.Event, track: Track) -> None:
        name = {"TrackPublished": "published", "TrackUnpublished": "unpublished"}.get(type(event).__name__, "muted")
        words = {"published": "sends", "unpublished": "no longer sends"}
        what = words.get(name) or ("muted" if track.muted else "unmuted")
        if name == "unpublished":
            self._told_limited.discard(track)
        self._line(
            f"track_{name}",
            f"{track.participant.label} {what} {track.source}",
            who=track.participant.label,
            source=str(track.source),
            codec=track.codec,
            muted=track.muted,
        )

    def _limited(self, track: Track, cause: Cause | None, layer: int) -> None:
        """Report why less of a track comes; to a user only what no other line tells, and that it is over."""
        what = f"{_named(track.source)} of {track.participant.label}"
        was_told = track in self._told_limited
        self._told_limited.discard(track)
        if cause in limits.CAUSES:
            self._told_limited.add(track)
            what = f"{what} {limits.in_words(track.kind, cause, layer)}"
        elif cause is None:
            what = f"{what} comes again"
        if self._json or was_told or cause in limits.CAUSES:
            who, source = track.participant.label, str(track.source)
            self._line("track_limited", what, who=who, source=source, cause=cause, layer=layer)

    def _speakers(self, event: events.SpeakersChanged) -> None:
        """Report who speaks; to a user only if no status line shows it."""
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
            case events.PathChanged(state, way):
                self._line("path", path_in_words(way, state), state=str(state), way=str(way))
            case (
                events.MembershipMismatch(who)
                | events.MembershipAgreed(who)
                | events.MemberSilent(who)
                | events.MemberHeard(who)
                | events.CommitmentMismatch(who)
                | events.TextMissing(who)
            ):
                name, text = _DOUBTS[type(event)]
                self._line(name, text.format(who.label), **self._described(who))
            case events.ConnectionQuality(who, quality):
                self._connection(who, quality)
            case events.ConnectionAdvice() | events.DataCapReached() | events.SendingLimited():
                self._advise(event)
            case events.MuteAsked(who, source, muted):
                text = f"{who.label} asks you to {'mute' if muted else 'unmute'} your {_named(source)}"
                self._line("mute_asked", text, who=who.label, source=str(source), muted=muted)
            case events.PublicationHeld(publication, held):
                source = publication.source.source
                text = f"a chair holds your {_named(source)} muted" if held else f"you may unmute your {_named(source)}"
                self._line("held", text, source=str(source), held=held)
            case events.NewDevice(who):
                self._line(
                    "new_device",
                    f"WARNING: {who.label} is on a device that {who.account} was not seen with before: compare /code",
                    who=who.label,
                    account=who.account,
                    device_key=who.device_key.hex(),
                )
            case events.Reconnecting(attempt, wait, text, code):
                self._line(
                    "reconnecting",
                    f"{text}; attempt {attempt} to come back in {wait:.1f} s",
                    text=text,
                    code=code,
                    attempt=attempt,
                    wait_s=round(wait, 1),
                )
            case events.Reconnected(resumed):
                text = "the connection is back" if resumed else "back in the room, in a new seat"
                self._line("reconnected", text, resumed=resumed)
            case events.TrustFault(text):
                self._line("trust_fault", f"WARNING: {text}", text=text)
            case events.Closed(code, text, action, retry, dishonest):
                self._line(
                    "closed",
                    f"closed: {text}",
                    code=code,
                    text=text,
                    action=action,
                    retry_after_ms=retry,
                    dishonest=dishonest,
                )

    def _advise(self, event: events.ConnectionAdvice | events.DataCapReached | events.SendingLimited) -> None:
        match event:
            case events.ConnectionAdvice(advice):
                self._line("advice", ADVICE[advice], text=ADVICE[advice], advice=advice)
            case events.SendingLimited(limit):
                self._line("sending_limited", LIMITS[limit], text=LIMITS[limit], limit=limit)
            case events.DataCapReached(percent, cap):
                text = limits.reached(percent, cap)
                self._line("data_cap", text, text=text, percent=percent, cap_bytes=cap)

    def _connection(self, who: Participant, quality: Quality) -> None:
        """Report a connection; to a user only one that is bad, or was."""
        was_bad = who.id in self._bad
        self._bad.discard(who.id)
        if quality in FAULTY:
            self._bad.add(who.id)
        if self._json or was_bad or quality in FAULTY:
            self._line("connection", f"connection of {who.label}: {quality}", who=who.label, quality=str(quality))

    def _described(self, who: Participant) -> dict[str, object]:
        return described(who, self._room.tracks_of(who) if self._room is not None else ())

    def said(self, name: str, text: str, to: str | None = None) -> None:
        """Show a text of our own. ``to`` is the label of its recipient, or None for all."""
        scope = ChatScope.ROOM if to is None else ChatScope.PARTICIPANT
        address = "" if to is None else f" (to {to} alone)"
        self._line("chat", f"{name}{address}: {text}", who=name, text=text, scope=str(scope), to=to)

    def say(self, name: str, text: str, **fields: Any) -> None:
        """Report something about ourselves."""
        self._line(name, text, text=text, **fields)

    def typed(self, line: str) -> None:
        """Show a typed command among the lines."""
        if self.console.columns is not None:
            self._show(f"> {line}")

    def roster(self, room: Room) -> None:
        """List who is here."""
        for who in room.everybody:
            mark, tracks = "*" if who.speaking else " ", room.tracks_of(who)
            self._line("participant", f"{mark} {in_words(who, tracks, room.hands)}", **described(who, tracks))

    def network(self, room: Room) -> None:
        """Report the state of the network, in a line."""
        found = self._figures(room, None)
        if found is not None:
            self._line("quality", full(found), **found)

    def data(self, room: Room) -> None:
        """Report the data that the meeting has taken, in a line."""
        self._line("data", limits.used(room.data_used, room.data_cap), **limits.figures(room.data_used, room.data_cap))

    def problem(self, text: str, code: ErrorCode | None = None, line: str | None = None) -> None:
        """Report a mistake on standard error, and to a script also on standard output.

        ``line`` is the refused input.
        """
        if self._json:
            typed = {} if line is None else {"input": line}
            self._line("error", "", code=code, text=text, **typed)
        for shown in fold(visible_lines(f"tcclient: {text}"), self.console.columns):
            self.console.complain(shown)

    def finish(self) -> None:
        """Write the lines that wait, and leave the terminal as it was."""
        self.console.finish()

    # The status line

    def quality(self, room: Room, listener: Listener | None) -> None:
        """Update the status line, or print a line of JSON. Call it every second."""
        found = self._figures(room, listener)
        if found is None:
            return
        if self._json:
            self._line("quality", "", **found)
        self._found = found
        self.refresh()

    def refresh(self) -> None:
        """Show the present state in the status line."""
        room = self._room
        if room is None or room.closed is not None:
            return
        sent = list(room.publications.values())
        status = Status(
            microphone=_state(sent, Source.MICROPHONE),
            camera=_state(sent, Source.CAMERA),
            path=path_in_words(room.way, room.path),
            loss_up=self._found.get("loss_up_recent_percent", 0.0),
            loss_down=self._found.get("loss_down_recent_percent", 0.0),
            rtt_ms=self._found.get("rtt_ms"),
            here=len(room.everybody),
            speaking=tuple(p.label for p in room.everybody if p.speaking),
        )
        self.console.status(status)

    def _figures(self, room: Room, listener: Listener | None) -> dict[str, Any] | None:
        if not room.seated:
            return None
        found = figures(room.network, None if listener is None else listener.statistics().values())
        return {**found, "participants": len(room.everybody)}

    def _line(self, name: str, text: str, /, **fields: Any) -> None:
        if self._json:
            self.console.show(json.dumps({"event": name, **fields}))
        else:
            self._show(f"{time.strftime('%H:%M:%S')} {text}")

    def _show(self, text: str) -> None:
        for line in fold(visible_lines(text), self.console.columns):
            self.console.show(line)


def _named(source: Source) -> str:
    return str(source).replace("_", " ")


def _state(sent: list[Publication], source: Source) -> str:
    """Return the state of a microphone or a camera as the status line names it."""
    publications = [p for p in sent if p.source.source is source and not p.ended]
    if not publications:
        return "off"
    if all(publication.muted for publication in publications):
        return "muted"
    return "on" if any(publication.open for publication in publications) else "hushed"
