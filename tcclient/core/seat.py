"""A seat in a room: its roster, keys, media path, publications and subscriptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tcclient.core import events
from tcclient.core.control import Line
from tcclient.core.downlink.data_meter import DataMeter
from tcclient.core.downlink.downlink import Downlink
from tcclient.core.drops import Drop
from tcclient.core.events import Event
from tcclient.core.joining import Place
from tcclient.core.keys.exchange import KeyExchange
from tcclient.core.keys.key_inbox import KeyInbox
from tcclient.core.keys.member_keys import MemberKeys, MemberKeyTable
from tcclient.core.keys.own_key import BARE, SealingKey, SenderKeys
from tcclient.core.media.audible import Audible
from tcclient.core.media.connections import Connections
from tcclient.core.media.publications import Publications
from tcclient.core.media.publishing import Publishing
from tcclient.core.membership.presence import Presence
from tcclient.core.membership.roster import RoomState
from tcclient.core.membership.snapshots import SnapshotRequests
from tcclient.core.path.egress import Egress
from tcclient.core.path.media_path import MediaPath
from tcclient.core.path.proof import Way
from tcclient.core.path.stream_uplink import StreamUplink
from tcclient.core.rate.sharing import UplinkSharing
from tcclient.core.rate.uplink import UplinkRate
from tcclient.core.texts import ShownTexts, Texts
from tcclient.core.timers import NEVER, Timers
from tcproto import messages
from tcproto.errors import ErrorCode, Refusal
from tcproto.keyring import PublicationId
from tcproto.messages import ChatScope, Source
from tcproto.packet import AudioHeader
from tcproto.sender_key import Party

MEDIA_TIME = 1.0
"""Seconds after a frame for which the way up is measured: without media it tells little."""
DATA_INTERVAL = 1.0
"""Seconds between looks at the data that was used."""
PURGE_INTERVAL = 1.0
"""Seconds between looks for keys that have expired: none stays longer than its overlap and this."""


class Seat:
    """What a session has while it is in a room; ``Session`` owns it and feeds it.

    ``room`` is the roster, ``member_keys`` are the keys and clock mappings of the other verified members, ``path``
    has the way of the datagrams, with its state and statistics.
    """

    def __init__(
        self,
        joined: messages.Joined,
        place: Place,
        control: Line,
        emit: Callable[[Event], None],
        random_bytes: Callable[[int], bytes],
        drops: Counter[Drop],
        shown: ShownTexts,
        limits: messages.Limits,
        timers: Timers,
        ways: Sequence[Way],
        data: DataMeter,
    ) -> None:
        room, box_keys, identity = place
        self.joined = joined
        self.timers = timers
        """The deadlines of the session; those of the seat are forgotten with it."""
        self.egress = Egress(joined.media_id, joined.epoch, joined.up_key, drops)
        self.path = MediaPath(self.egress, joined.down_key, drops, ways)
        self.uplink = StreamUplink(drops)
        self.uplink_rate = UplinkRate(self.path.send, lambda: self.path.statistics.rtt, self.path.way is Way.UDP)
        self.publications = Publications(
            self._sealing_key,
            self.egress,
            self._clock_changed,
            self._spoke,
            lambda: max(self.path.up_loss(), self.uplink_rate.loss()),
            drops,
        )
        self.sharing = UplinkSharing(
            self.uplink_rate,
            self.publications,
            self.egress,
            lambda number, rate: emit(events.RateChanged(number, rate)),
            lambda limit: emit(events.SendingLimited(limit)),
        )
        self.path.take_report = self.sharing.receive
        self._own = Party(identity.device.public, identity.box.public)
        self.member_keys = MemberKeyTable(room.life, room.name, self._own, identity.box.private, e2ee=room.e2ee)
        own = identity.seat(joined.participant)
        self.room = RoomState(room, identity.fingerprint, own, box_keys, self.publications.is_ours)
        self._audible = Audible(self.room, emit)
        self.downlink = Downlink(
            self.path, self.room, self.member_keys, self._audible, control, emit, drops, lambda: self._now
        )
        for room_key in joined.room_keys:
            self.downlink.opener.add_key(room_key)
        recipients: dict[int, MemberKeys] = {}
        self.keys = SenderKeys(
            room.life, room.name, self._own, recipients, self.publications.first_sequences, random_bytes
        )
        """Our own sender keys."""
        self.publishing = Publishing(
            self.publications,
            self.keys,
            self.room,
            self.sharing,
            control,
            emit,
            self.settle,
            lambda: self._now,
        )
        self.presence = Presence(
            joined.beacon_stream,
            identity.box.public,
            identity.device,
            self.room,
            recipients,
            self.keys,
            self.publications,
            self.egress,
            emit,
            random_bytes,
        )
        self.texts = Texts(
            self.room, self._own, self.member_keys, self.keys, shown, limits, random_bytes, emit, drops, timers
        )
        self._exchange = KeyExchange(
            self.keys,
            KeyInbox(self.room, self.member_keys, self._key_came, drops),
            self.downlink.opener,
            control,
            self.path.send_by_udp,
            self.texts.retry,
        )
        self.path.take_urgent = self._exchange.receive_urgent
        self.connections = Connections(
            self.path, self.downlink.losses, self.publications, self.room, self.downlink.subscription, control, emit
        )
        self._control = control
        self._emit = emit
        self._path_told = events.PathChanged(self.path.state, self.path.way)
        self._now = 0.0
        """When something happened last: near enough for what needs no more."""
        self._complete = False
        self.snapshots = SnapshotRequests(lambda: control.ask(messages.GetSnapshot()))
        self._data = data
        self._data_at = 0.0
        self._purge_at = NEVER
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            messages.Snapshot: self._snapshot,
            messages.RoomChanges: self._changes,
            messages.KeyBoxes: self._exchange.receive_boxes,
            messages.KeyReceipts: self.keys.receive,
            messages.SessionKeys: self._session_keys,
            messages.MediaMove: self._media_move,
            messages.NewRoomKey: lambda message, now: self.downlink.opener.add_key(message.room_key),
            messages.SealerClosed: lambda message, now: self.downlink.opener.close(message.sealer),
            messages.KeyframeRequest: self.publications.keyframe_needed,
            messages.Interest: self.publishing.interest,
            messages.Speakers: self.downlink.speakers,
            messages.MemberQualities: self.connections.receive,
            messages.StreamStates: self.downlink.subscription.receive,
            messages.MuteAsked: self._mute_asked,
            messages.ChatMessage: self.texts.receive,
        }
        self._follow_deadlines()

    def _follow_deadlines(self) -> None:
        for name, deadline, action in (
            ("keys", lambda: self.keys.next_deadline, self.keys.handle_timeout),
            ("path", lambda: self.path.next_deadline, self._path_due),
            ("egress", lambda: self.egress.next_deadline, lambda _: None),  # the burst is there to be taken
            ("uplink", lambda: self.uplink_rate.next_deadline, self.uplink_rate.handle_timeout),
            ("sharing", lambda: self.sharing.next_deadline, self.sharing.update),
            ("stream", lambda: self.uplink.next_deadline, lambda _: None),  # as far as the stream takes it
            ("presence", lambda: self.presence.next_deadline, self.presence.handle_timeout),
            ("speaking", lambda: self._audible.next_deadline, self._audible.handle_timeout),
            ("keyframes", lambda: self.publications.keyframes.next_deadline, self.settle),
            ("snapshot", lambda: self.snapshots.next_deadline, self.settle),
            ("connections", lambda: self.connections.next_deadline, self.connections.handle_timeout),
            ("data", lambda: self._data_at, self._look_at_data),
            ("purge", lambda: self._purge_at, self._purge),
        ):
            self.timers.follow(name, deadline, action)
        self.downlink.follow_deadlines(self.timers)

    def resumed(self, resumed: messages.Resumed, now: float) -> None:
        """Go on under the keys of a resumed session. Who stopped speaking meanwhile will not be told."""
        self.downlink.watchdog.forget_speakers()
        if resumed.media_id == self.path.media_id:
            self.path.rekey(resumed.media_id, resumed.epoch, resumed.up_key, resumed.down_key, now)
        else:
            self._media_move(resumed, now)

    def handle_message(self, message: object, now: float) -> None:
        """Act on a notification; one that belongs to no seat, or to a later version, is ignored."""
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message, now)

    def receive_datagram(self, data: bytes, now: float, way: Way = Way.UDP, waited: float | None = 0.0) -> None:
        """Take a datagram; see ``MediaReceiver.receive``."""
        self.downlink.media.receive(data, way, now, waited)
        if self.downlink.media.beacons or self._exchange.has_news or self._path_has_changed:
            self.settle(now)

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Return the datagrams for UDP, once; those for the stream go to ``uplink``."""
        self.downlink.subscription.urgent.handle_timeout(now)
        datagrams = self.egress.take(now)
        if self.path.way is Way.UDP:
            self.uplink.put(self.egress.take_probe(), now)
            self.uplink_rate.sent(datagrams, now - self.publications.sent_at < MEDIA_TIME, now)
            return datagrams
        self.uplink.put(datagrams, now)
        return self.egress.take_probe()

    def settle(self, now: float) -> None:
        """Say what has collected: requests, boxes, receipts to the server; the rest to the application."""
        self._now = now
        self.snapshots.handle_timeout(now)
        self.keys.handle_timeout(now)
        received, self.downlink.media.beacons = self.downlink.media.beacons, []
        for member, beacon, first in received:
            if self.member_keys.get(member.id) is member:
                self.presence.receive(member, beacon, first, now)
        self._exchange.send()
        if self.keys.current is not None:
            self.presence.schedule.key_changed(self.keys.current, now)
        for number, spatial in self.publications.keyframes.take(now):
            self._emit(events.KeyframeRequested(number, spatial))
        for number in self.publications.take_ready():
            self._emit(events.PublicationReady(number))
        if self._path_has_changed:
            if self.path.way is not self._path_told.way:
                self._way_changed(now)
            self._path_told = events.PathChanged(self.path.state, self.path.way)
            if self._complete:
                self.presence.path_changed(self.path.state, now)
            self._emit(self._path_told)

    @property
    def _path_has_changed(self) -> bool:
        return self.path.state is not self._path_told.state or self.path.way is not self._path_told.way

    # Verbs

    def request(self, message: object) -> int:
        """Send a request that a participant may make, such as ``Kick``; return its id.

        ``RequestDone`` or ``RequestFailed`` follows. Raises ``ValueError``; ``Refusal`` while too many are unanswered.
        """
        return self._control.request(message)

    def send_chat(
        self, text: str, unix_ms: int, now: float, scope: ChatScope = ChatScope.ROOM, participant: int = 0
    ) -> bytes:
        """Send a text, sealed in an end-to-end encrypted room; return its message id, which ``ChatSent`` repeats.

        ``unix_ms`` is the wall clock, which is sealed with it. A notice (``ChatScope.SERVER``) is never sealed. Raises
        ``ValueError`` for a text beyond the server's limits or with control characters, ``Refusal`` for a private text
        to somebody who is not in the room, or not verified where it has to be sealed.
        """
        self.texts.check(text)
        if not self._complete:
            raise Refusal(ErrorCode.NOT_IN_ROOM, "the roster is not here yet, so nobody could read it")
        chat = self.texts.compose(text, scope, participant, unix_ms, now)
        self.settle(now)  # The boxes of the key go before the text.
        try:
            self._control.request(chat)
        except Refusal:
            self.texts.answered(chat.message_id, accepted=False)
            raise
        return chat.message_id

    def _clock_changed(self, now: float, started: bool) -> None:
        if started:
            self.presence.schedule.stream_started(now)
        else:
            self.presence.schedule.clock_moved(now)

    def _spoke(self, header: AudioHeader, now: float) -> None:
        self._audible.heard(self.room.own, header, now)

    def _sealing_key(self, publication: PublicationId) -> SealingKey | None:
        return self.keys.sealing_key(publication) if self.room.room.e2ee else BARE

    # Messages

    def _snapshot(self, page: messages.Snapshot, now: float) -> None:
        changed = self.room.receive_snapshot(page)
        if changed is None:
            return
        self.snapshots.arrived()
        first, self._complete = not self._complete, True
        if first:
            joined = self.joined
            self._emit(events.Joined(joined.participant, self.room.room, joined.role, joined.permissions))
        self._roster_changed(changed, now)
        self.publishing.compare(now)
        if first:
            self.presence.path_changed(self.path.state, now)
            self._purge_at = now + PURGE_INTERVAL

    def _changes(self, message: messages.RoomChanges, now: float) -> None:
        changed = self.room.receive_changes(message)
        if changed:
            self._roster_changed(changed, now)
        else:
            self._retry(now)
        self.publishing.changed(message.changes, now)
        if self._complete and self.room.needs_snapshot:
            self.snapshots.gap(now)

    def _roster_changed(self, changed: list[Event], now: float) -> None:
        for event in changed:
            self._emit(event)
            self.publishing.roster_changed(event, now)
        self._audible.roster_changed(changed, now)
        kicked = {
            event.participant.id
            for event in changed
            if isinstance(event, events.ParticipantLeft) and event.code is ErrorCode.KICKED
        }
        gone, come = self.member_keys.follow(self.room.verified_others())
        for i in gone:
            self.presence.left(i, i in kicked, now)
        self.presence.schedule.resize(len(self.room.members))
        for member in come:
            self.presence.came(member, now)
        self.downlink.roster_changed(changed, now)
        self._retry(now)

    def _retry(self, now: float) -> None:
        """Look again at what waits for the roster."""
        self._exchange.retry(now)
        self.texts.retry(now)

    def _key_came(self, member: MemberKeys, now: float) -> None:
        self.presence.compare(member, now)
        self.downlink.media.release(member, now)

    def _session_keys(self, message: messages.SessionKeys, now: float) -> None:
        self.path.rekey(message.media_id, message.epoch, message.up_key, message.down_key, now)

    def _media_move(self, message: messages.MediaMove | messages.Resumed, now: float) -> None:
        self.path.move(message.media_id, message.epoch, message.up_key, message.down_key, now)
        self._way_changed(now)

    def _way_changed(self, now: float) -> None:
        self.uplink_rate.restart(self.path.way is Way.UDP)
        self.sharing.update(now)

    def _mute_asked(self, message: messages.MuteAsked, now: float) -> None:
        if message.participant in self.room.members and message.source is not Source.UNKNOWN:
            self._emit(events.MuteAsked(message.participant, message.source, message.muted))

    def _path_due(self, now: float) -> None:
        self.path.on_call = bool(self.publications.live) or self.downlink.subscription.asks_for_media
        self.path.needs_large = self.connections.are_pictures_used
        self.path.handle_timeout(now)

    def _look_at_data(self, now: float) -> None:
        """Tell how much of the cap is used, and save data."""
        self._data_at = now + DATA_INTERVAL
        self._data.use(now)
        if (percent := self._data.news()) is not None:
            self._emit(events.DataCapReached(percent, self._data.cap))
        if self._data.saving is not self.sharing.saving:
            self.sharing.saving = self._data.saving
            self.sharing.update(now)
            self.downlink.subscription.save(self._data.saving)

    def _purge(self, now: float) -> None:
        """Forget keys that have expired, whether or not anything comes under them."""
        self._purge_at = now + PURGE_INTERVAL
        self.path.forget(now)
        self.downlink.opener.forget(now)
        for member in self.member_keys.values():
            member.forget(now)
