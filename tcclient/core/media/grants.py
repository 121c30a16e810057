"""What the server says of our publications: that they are granted, refused, held muted, or over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcclient.core import events
from tcclient.core.control import Line
from tcclient.core.events import Event
from tcclient.core.keys.own_key import SenderKeys
from tcclient.core.media.publications import Publications
from tcclient.core.membership.roster import RoomState
from tcproto.errors import ErrorCode
from tcproto.messages import Change, ChangeKind, Error, PublicationInfo, Published, Unpublish


class Grants:
    """Follows the replies to ``publish``, and what the roster shows of us. Events go to ``emit``."""

    def __init__(
        self,
        publications: Publications,
        keys: SenderKeys,
        room: RoomState,
        control: Line,
        emit: Callable[[Event], None],
    ) -> None:
        self._publications = publications
        self._keys = keys
        self._room = room
        self._control = control
        self._emit = emit

    def replied(self, number: int, reply: Published | Error, now: float) -> None:
        """Take the reply to ``publish``."""
        if isinstance(reply, Error):
            self.forget(number, now)
            self._emit(events.PublishFailed(number, reply.code, reply.text))
        elif not self._publications.accepted(number, reply.stream, reply.caps, now):
            self.withdraw(number, now)
            self._emit(events.PublishFailed(number, ErrorCode.INTERNAL, "the server gave a stream id again too soon"))
        else:
            self._emit(events.Published(number, reply.stream, reply.caps))

    def withdraw(self, number: int, now: float) -> int:
        """End a publication at once; return the request id, 0 where it has ended already."""
        if number not in self._publications.live:
            return 0
        self.forget(number, now)
        return self._control.request(Unpublish(number))

    def forget(self, number: int, now: float) -> None:
        """Forget a publication. The sender of none needs no key."""
        self._publications.forget(number, now)
        if not self._publications.live:
            self._keys.stop()

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

    def _ended(self, number: int | None, now: float) -> None:
        """Forget a publication that the server has ended, if it is live."""
        if number is not None and number in self._publications.live:
            self.forget(number, now)
            self._emit(events.PublishFailed(number, ErrorCode.NOT_PERMITTED, "the server has ended the publication"))

    def _shown(self, info: PublicationInfo) -> None:
        """Note whether another participant holds our publication muted."""
        publication = self._publications.live.get(info.number)
        if publication is not None and publication.held != info.held:
            publication.held = info.held
            publication.muted = publication.muted or info.held
            self._emit(events.HoldChanged(info.number, info.held))
