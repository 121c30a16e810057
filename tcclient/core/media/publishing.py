"""Our publications on the control connection: announced, granted or refused, muted, held muted, and over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcclient.core import events
from tcclient.core.control import Line
from tcclient.core.events import Event
from tcclient.core.keys.own_key import SenderKeys
from tcclient.core.media.publications import Publication, Publications
from tcclient.core.membership.roster import RoomState
from tcclient.core.rate.allocation import Demand, PictureDemand
from tcclient.core.rate.sharing import UplinkSharing
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import (
    Change,
    ChangeKind,
    Error,
    Interest,
    Kind,
    Mute,
    PublicationInfo,
    Published,
    Source,
    Unpublish,
)


class Publishing:
    """Announces what we publish, and follows what the server says of it. Events go to ``emit``.

    ``settle`` sends what has collected, such as keys. ``now`` returns when something happened last: near enough for
    when a publication has ended.
    """

    def __init__(
        self,
        publications: Publications,
        keys: SenderKeys,
        room: RoomState,
        sharing: UplinkSharing,
        control: Line,
        emit: Callable[[Event], None],
        settle: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        self._publications = publications
        self._keys = keys
        self._room = room
        self._sharing = sharing
        self._control = control
        self._emit = emit
        self._settle = settle
        self._now = now

    def publish(
        self,
        kind: Kind,
        source: Source,
        codec: str,
        now: float,
        *,
        muted: bool = False,
        layers: int = 1,
        width: int = 0,
        height: int = 0,
        demand: Demand | None = None,
        low_rate: bool = False,
    ) -> int:
        """Announce a publication, the first of which makes us a sender of keys; return its number.

        With a ``demand`` it adapts to the way up, by ``RateChanged``; the caps of the server bound it too. With
        ``low_rate``, for a microphone, its low rate is announced as soon as it is granted itself, where the server has
        such; ``LayersWanted`` tells when somebody wants that.

        ``Published`` or ``PublishFailed`` follows. Raises ``ValueError`` for a value out of range.
        """
        stills = isinstance(demand, PictureDemand) and demand.stills
        announced = self._publications.announce(kind, source, codec, muted, layers, width, height, stills)
        self._control.request(announced)
        self._publications.add(announced, demand)
        self._publications.live[announced.number].has_low_rate = low_rate
        if self._room.room.e2ee:
            self._keys.start(now)
            self._keys.announced(layers, now)
        self._sharing.update(now)
        self._settle(now)
        return announced.number

    def unpublish(self, number: int) -> int:
        """End a publication at once, with its low rate; return the request id, 0 where it has ended already."""
        if (low := self._publications.low_rate(number)) is not None:
            self._withdraw(low.number, self._now())
        return self._withdraw(number, self._now())

    def set_muted(self, number: int, muted: bool) -> int:
        """Mute or unmute, here at once; return the request id.

        Raises ``Refusal`` where it is not live, and to unmute what another participant holds muted.
        """
        publication = self._publications.live.get(number)
        if publication is None:
            raise Refusal(ErrorCode.NO_SUCH_PUBLICATION)
        if publication.held and not muted:
            raise Refusal(ErrorCode.NOT_PERMITTED, "a chair holds it muted")
        self._publications.set_muted(publication, muted)
        return self._control.request(Mute(number, muted))

    def replied(self, number: int, reply: Published | Error, now: float) -> None:
        """Take the reply to ``publish``."""
        publication = self._publications.live.get(number)
        if isinstance(reply, Error):
            self._forget(number, now)
            self._tell_end(publication, number, reply.code, reply.text)
        elif not self._publications.accepted(number, reply.stream, reply.caps, now):
            self._withdraw(number, now)
            self._tell_end(publication, number, ErrorCode.INTERNAL, "the server gave a stream id again too soon")
        elif publication is None or not publication.low_rate_of:
            self._emit(events.Published(number, reply.stream, reply.caps))
            if publication is not None and publication.has_low_rate:
                self._announce_low_rate(publication, now)

    def interest(self, message: Interest, now: float) -> None:
        """Take which layers and low rates anybody wants."""
        for number, layers in self._publications.layers_wanted(message):
            self._emit(events.LayersWanted(number, layers))
        self._sharing.update(now)

    def roster_changed(self, event: Event, now: float) -> None:
        """Look at something that has changed in the roster."""
        own = self._room.own
        if isinstance(event, events.TrackUnpublished) and event.track.participant == own:
            self._ended(event.track.number, now)
        elif isinstance(event, events.TrackPublished | events.TrackUpdated) and event.track.participant == own:
            self._shown(event.track)

    def changed(self, changes: Iterable[Change], now: float) -> None:
        """Look at changes for one that began and ended within a message: it leaves no difference in the roster."""
        for change in changes:
            if change.what is ChangeKind.UNPUBLISHED and change.participant == self._room.own:
                self._ended(change.number, now)

    def compare(self, now: float) -> None:
        """Compare with a new roster. What was granted before its pages were made stands in it, or has ended since."""
        for number, publication in list(self._publications.live.items()):
            if publication.stream is not None and (self._room.own, number) not in self._room.publications:
                self._ended(number, now)

    def _announce_low_rate(self, publication: Publication, now: float) -> None:
        announced = self._publications.announce(
            publication.kind, Source.MICROPHONE_LOW, publication.codec, False, 1, 0, 0, False
        )
        try:
            self._control.request(announced)
        except Refusal:  # too much is unanswered: then there is none
            return
        self._publications.add_low_rate(announced, publication)
        self._publications.set_muted(publication, publication.muted)
        if self._room.room.e2ee:
            self._keys.announced(1, now)

    def _withdraw(self, number: int, now: float) -> int:
        if number not in self._publications.live:
            return 0
        self._forget(number, now)
        return self._control.request(Unpublish(number))

    def _forget(self, number: int, now: float) -> None:
        """Forget a publication. The sender of none needs no key."""
        self._publications.forget(number, now)
        if not self._publications.live:
            self._keys.stop()

    def _ended(self, number: int | None, now: float) -> None:
        """Forget a publication that the server has ended, if it is live."""
        if number is not None and number in self._publications.live:
            publication = self._publications.live[number]
            self._forget(number, now)
            self._tell_end(publication, number, ErrorCode.NOT_PERMITTED, "the server has ended the publication")

    def _tell_end(self, publication: Publication | None, number: int, code: ErrorCode, text: str) -> None:
        """Tell that there is no such publication, or not any more; a low rate was nobody's wish."""
        if publication is None or not publication.low_rate_of:
            self._emit(events.PublishFailed(number, code, text))

    def _shown(self, info: PublicationInfo) -> None:
        """Note whether another participant holds our publication muted."""
        publication = self._publications.live.get(info.number)
        if publication is not None and not publication.low_rate_of and publication.held != info.held:
            publication.held = info.held
            self._publications.set_muted(publication, publication.muted or info.held)
            self._emit(events.HoldChanged(info.number, info.held))
