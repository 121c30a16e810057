"""The connections of all members: ours is measured and told, those of the others are heard of."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core import events
from tcclient.core.control import Line
from tcclient.core.downlink.subscription import Subscription
from tcclient.core.events import Event
from tcclient.core.media.losses import Losses
from tcclient.core.media.publications import Publications
from tcclient.core.media.quality import LOOK_INTERVAL, Advice, Figures, QualityMeter, Use
from tcclient.core.membership.roster import RoomState
from tcclient.core.path.media_path import MediaPath
from tcproto.messages import Kind, MemberQualities, OwnQuality, Quality


class Connections:
    """Tells the server how good our connection is, and the application how good everybody's is.

    The server could lie about the others, as they could themselves: it is shown, and nothing is decided by it.
    """

    def __init__(
        self,
        path: MediaPath,
        losses: Losses,
        publications: Publications,
        room: RoomState,
        subscription: Subscription,
        control: Line,
        emit: Callable[[Event], None],
    ) -> None:
        self.meter = QualityMeter()
        self.next_deadline = 0.0
        """When ``handle_timeout`` is due."""
        self._path = path
        self._losses = losses
        self._publications = publications
        self._room = room
        self._subscription = subscription
        self._control = control
        self._emit = emit
        self._told: dict[int, Quality] = {}
        """By participant, of those in the roster."""
        self._advised: Advice | None = None

    def handle_timeout(self, now: float) -> None:
        """Look at our connection, and tell what has changed."""
        self.next_deadline = now + LOOK_INTERVAL
        path, meter, own = self._path, self.meter, self._room.own
        figures = Figures(path.state, path.statistics.rtt, path.statistics.up, self._losses.direction())
        meter.look(figures, Use(self._sends_pictures, self._gets_pictures), now)
        self._told = {i: quality for i, quality in self._told.items() if i in self._room.members}
        if own in self._room.members and meter.quality is not self._told.get(own, Quality.UNKNOWN):
            self._told[own] = meter.quality
            self._control.send(OwnQuality(meter.quality))
            self._emit(events.ConnectionQuality(own, meter.quality))
        if meter.advice is not self._advised:
            self._advised = meter.advice
            self._emit(events.ConnectionAdvice(meter.advice))

    def receive(self, message: MemberQualities, now: float) -> None:
        """Take what the server tells of the others."""
        for entry in message.members:
            there = entry.participant != self._room.own and entry.participant in self._room.members
            if there and entry.quality is not self._told.get(entry.participant, Quality.UNKNOWN):
                self._told[entry.participant] = entry.quality
                self._emit(events.ConnectionQuality(entry.participant, entry.quality))

    @property
    def are_pictures_used(self) -> bool:
        """Whether pictures are sent, or come as we wish."""
        return self._sends_pictures or self._gets_pictures

    @property
    def _sends_pictures(self) -> bool:
        return any(own.kind is Kind.VIDEO and not own.muted for own in self._publications.live.values())

    @property
    def _gets_pictures(self) -> bool:
        others = (info for info in self._room.publications.values() if info.participant != self._room.own)
        return self._subscription.asks_for_pictures and any(
            info.kind is Kind.VIDEO and not info.muted for info in others
        )
