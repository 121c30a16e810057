"""One line of the roster: who is in a room."""

from __future__ import annotations

from dataclasses import dataclass

from tcproto.messages import Member


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """A participant as the roster shows it."""

    member: Member
    verified: bool
    """The device signed name, account and box key for this room. Otherwise no key goes there, no media is played."""

    @property
    def id(self) -> int:
        """The participant's id in the room."""
        return self.member.participant

    @property
    def label(self) -> str:
        """The participant as "agency / name" reads."""
        return f"{self.member.agency} / {self.member.name}"
