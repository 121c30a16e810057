"""How many talkers of a room the media plane forwards."""

from __future__ import annotations

from tcserver.conference.context import Context
from tcserver.plane import SetSpeakers

SMALL_ROOM = 8
"""Participants up to which all talkers are forwarded: eight open microphones are fewer streams than some have tiles."""


class SpeakerLimit:
    """The limit of one room's life, told to the media plane when it changes."""

    def __init__(self, context: Context, room: int, setting: int | None) -> None:
        self._context = context
        self._room = room
        self.setting = setting
        """Of this room; None: the server's."""
        self._told = 0

    def restart(self, participants: int) -> None:
        """Tell a media plane that knows nothing of the room."""
        self._told = 0
        self.follow(participants)

    def follow(self, participants: int) -> None:
        """Follow the number of participants, and the setting."""
        setting = self._context.settings.loudest if self.setting is None else self.setting
        limit = setting if participants > SMALL_ROOM else 0
        if limit != self._told:
            self._told = limit
            self._context.outbox.command(SetSpeakers(self._room, limit))
