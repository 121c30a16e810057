"""Notices that somebody speaks and nobody is heard, although the path is answered, and repairs what can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcclient.core.media.losses import Losses
from tcclient.core.membership.roster import RoomState
from tcclient.core.path.media_path import MediaPath
from tcclient.core.timers import NEVER
from tcproto.messages import Kind, PublicationInfo, Subscribe

SOUND_PATIENCE = 3.0
"""Seconds without any sound while somebody speaks, until something is repaired; the same until it is tried again. A
server decides within half a second who speaks, and the pauses in which that still counts are shorter."""
MAX_REPAIRS = 2
"""Repairs in a row. If they do not help, the fault is not here: perhaps nobody is forwarded to us."""


class SoundWatchdog:
    """Waits for sound of those who speak by the word of the server, as far as it is subscribed to.

    A repair gives UDP up for a while where there is a stream, and copies of earlier packets, which make datagrams long.
    Then it asks for the same subscriptions again; ``subscribe_again`` does that. Pings have tried the path long before.
    """

    def __init__(
        self,
        path: MediaPath,
        losses: Losses,
        room: RoomState,
        give_up_copies: Callable[[float], None],
        subscribe_again: Callable[[], object],
    ) -> None:
        self.subscription = Subscribe(0, ())
        """What is wanted now."""
        self._path = path
        self._losses = losses
        self._room = room
        self._give_up_copies = give_up_copies
        self._subscribe_again = subscribe_again
        self._speakers: set[int] = set()
        self._waits_since = NEVER
        self._repairs = 0

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due."""
        return self._waits_since + SOUND_PATIENCE

    def speakers(self) -> set[int]:
        """Return the others who speak by the word of the server, and should be heard."""
        return self._speakers

    def speaking(self, started: Iterable[int], stopped: Iterable[int], now: float) -> bool:
        """Take who began and who stopped speaking; return whether somebody else who begins should be heard."""
        begin = {i for i in started if self._is_wanted(i)}
        self._speakers = (self._speakers | begin) - set(stopped)
        if not self._speakers:
            self._waits_since = NEVER
        elif self._waits_since == NEVER:
            self._waits_since = now
        return bool(begin)

    def forget_speakers(self) -> None:
        """Wait for nobody: the server is about to tell anew who speaks."""
        self._speakers.clear()
        self._waits_since = NEVER

    def handle_timeout(self, now: float) -> None:
        """Repair, unless sound came or nobody who should be heard speaks any more."""
        self._speakers = {i for i in self._speakers if self._is_wanted(i)}
        if not self._speakers:
            self._waits_since = NEVER
        elif self._losses.sound_at > self._waits_since:
            self._waits_since, self._repairs = self._losses.sound_at, 0
        elif self._repairs < MAX_REPAIRS:
            self._waits_since, self._repairs = now, self._repairs + 1
            self._path.doubt(now)
            self._give_up_copies(now)
            self._subscribe_again()
        else:
            self._waits_since = now

    def _is_wanted(self, participant: int) -> bool:
        infos = self._room.publications.values()
        return participant != self._room.own and any(
            info.participant == participant and info.kind is Kind.AUDIO and not info.muted and self._wants(info)
            for info in infos
        )

    def _wants(self, info: PublicationInfo) -> bool:
        for choice in self.subscription.choices:
            if choice.stream == info.stream:
                return choice.wanted
        return info.source in self.subscription.defaults
