"""The doubts about a participant, in words for a user and for a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from tcclient.participant import Participant
from tcclient.track import Track
from tcproto.messages import Permission, Quality


class Mark(StrEnum):
    """A doubt; the values are for scripts."""

    UNVERIFIED = "unverified"
    """The device did not sign name and key. Nothing is sent to it, and nothing of it is played."""
    SILENT = "silent"
    """No beacon for three intervals: it gets none of our new keys."""
    OTHER_MEMBERS = "other_members"
    """Its member set is not ours."""
    OTHER_KEY = "other_key"
    """It announced another key to all than it gave us."""


WORDS = {
    Mark.UNVERIFIED: "NOT VERIFIED",
    Mark.SILENT: "silent",
    Mark.OTHER_MEMBERS: "SEES OTHER MEMBERS",
    Mark.OTHER_KEY: "GAVE OTHERS ANOTHER KEY",
}

_SENDS = {
    Permission.PUBLISH_AUDIO: "sound",
    Permission.PUBLISH_VIDEO: "pictures",
    Permission.PUBLISH_SCREEN: "a screen",
    Permission.CHAT_ROOM: "texts to all",
}

FAULTY = (Quality.LOST, Quality.POOR)
"""Connections that are shown to a user: of these it may be asked why somebody is not heard well."""


def marks_of(participant: Participant) -> list[Mark]:
    """Return the doubts about a participant."""
    marks = {
        Mark.UNVERIFIED: not participant.verified,
        Mark.SILENT: participant.silent,
        Mark.OTHER_MEMBERS: participant.mismatch,
        Mark.OTHER_KEY: participant.key_mismatch,
    }
    return [mark for mark, holds in marks.items() if holds]


def mark_words(participant: Participant) -> str:
    """Return the marks that follow a name, with a space in front, or nothing."""
    words = ", ".join(WORDS[mark] for mark in marks_of(participant))
    return f" ({words})" if words else ""


def described(participant: Participant, tracks: Iterable[Track]) -> dict[str, object]:
    """Return a participant, with its ``tracks``, as JSON shows it to a script."""
    return {
        "id": participant.id,
        "account": participant.account,
        "who": participant.label,
        "role": str(participant.role),
        "me": participant.is_me,
        "verified": participant.verified,
        "marks": [str(mark) for mark in marks_of(participant)],
        "speaking": participant.speaking,
        "hand": participant.hand,
        "connection": str(participant.quality),
        "sends": [{"source": str(t.source), "muted": t.muted} for t in tracks],
    }


def in_words(participant: Participant, tracks: Iterable[Track], hands: Sequence[Participant] = ()) -> str:
    """Return a participant, with its ``tracks``, as a line of the list of participants; ``hands`` are all in line."""
    sends = ", ".join(str(t.source) + " (muted)" * t.muted for t in tracks) or "only listens"
    me = " (you)" if participant.is_me else ""
    hand = f", hand raised ({hands.index(participant) + 1} of {len(hands)})" if participant in hands else ""
    connection = f", connection {participant.quality}" if participant.quality in FAULTY else ""
    return f"{participant.label}{me} [{participant.role}] {sends}{hand}{connection}{mark_words(participant)}"


def may_send(participant: Participant) -> str:
    """Return what a participant may send to all, in words."""
    return ", ".join(word for right, word in _SENDS.items() if right & participant.permissions) or "nothing"
