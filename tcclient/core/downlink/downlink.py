"""What comes down to a seat: what is asked of the server, and what is done with what comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tcclient.core import events
from tcclient.core.control import Line
from tcclient.core.downlink.frame_rates import FrameRates
from tcclient.core.downlink.limits import TrackLimits
from tcclient.core.downlink.subscription import Subscription, Wishes
from tcclient.core.drops import Drop
from tcclient.core.events import Event
from tcclient.core.keys.member_keys import MemberKeyTable
from tcclient.core.keys.room_datagrams import RoomDatagramOpener
from tcclient.core.media.audible import Audible
from tcclient.core.media.feedback import Feedback
from tcclient.core.media.keyframes import KeyframeSpacing
from tcclient.core.media.layers import LayerChoices
from tcclient.core.media.losses import Losses
from tcclient.core.media.packet import MediaPacket
from tcclient.core.media.receiving import MediaReceiver
from tcclient.core.media.speaking import is_speech
from tcclient.core.media.watchdog import SoundWatchdog
from tcclient.core.membership.roster import RoomState
from tcclient.core.path.media_path import MediaPath
from tcclient.core.timers import Timers
from tcproto.messages import KeyframeRequest, Speakers, Subscribe
from tcproto.packet import AudioHeader, Header, VideoHeader


class Downlink:
    """Receives the media of the others, as much of it as is wished and the line can bear.

    ``audible`` is told what is heard, ``emit`` of what less comes than could. ``now`` returns when something happened
    last: near enough for what is wished.
    """

    def __init__(
        self,
        path: MediaPath,
        room: RoomState,
        senders: MemberKeyTable,
        audible: Audible,
        control: Line,
        emit: Callable[[Event], None],
        drops: Counter[Drop],
        now: Callable[[], float],
    ) -> None:
        self.opener = RoomDatagramOpener(drops, path.ask_position)
        self.losses = Losses(
            path,
            lambda now: self.feedback.missed(now),
            lambda: self.subscription.arrivals.queue,
            lambda: self.subscription.has_room,
        )
        self.layers = LayerChoices(room, lambda: path.statistics.rtt, lambda: self.subscription.again())
        self.frame_rates = FrameRates(room)
        self.feedback = Feedback(
            self.losses.share,
            self.losses.repairs_by_requests,
            self.losses.statistics,
            path.send,
            lambda: self.subscription.again(),
        )
        self.subscription = Subscription(
            room,
            control,
            lambda: audible.dominant,
            lambda: self.feedback.redundant,
            lambda wanted: self.frame_rates.refine(self.layers.refine(wanted, now())),
            self._subscription_changed,
            self.losses.forgive,
            path.send_by_udp,
            lambda: self.losses.share()[0],
        )
        self.media = MediaReceiver(
            path,
            self.opener,
            room,
            senders,
            self._opened,
            drops,
            self.losses,
            self.subscription.arrivals,
            self.subscription.probes,
        )
        self.watchdog = SoundWatchdog(path, self.losses, room, self.feedback.give_up_copies, self.subscription.again)
        self.limits = TrackLimits(
            room, self.subscription, self.layers, self.watchdog.speakers, lambda: path.carries_large
        )
        self._emit = emit
        self._path = path
        self._audible = audible
        self._control = control
        self._keyframe_spacing = KeyframeSpacing()

    def follow_deadlines(self, timers: Timers) -> None:
        """Add what is due here to the deadlines of the session."""
        repair = self.losses.repair
        timers.follow("feedback", lambda: self.feedback.next_deadline, self.feedback.handle_timeout)
        timers.follow("repair", lambda: repair.next_deadline, repair.handle_timeout)
        timers.follow("layers", lambda: self.layers.next_deadline, self.layers.handle_timeout)
        timers.follow("sound", lambda: self.watchdog.next_deadline, self.watchdog.handle_timeout)
        timers.follow("limits", lambda: self.limits.next_deadline, self._tell_limits)
        timers.follow("subscription", lambda: self.subscription.next_deadline, self.subscription.handle_timeout)
        urgent = self.subscription.urgent
        timers.follow("urgent", lambda: urgent.next_deadline, urgent.handle_timeout)

    def wish(self, wishes: Wishes) -> int:
        """Set what is wanted, whole each time; return the request id. While the line is too thin, less is asked for."""
        self.layers.max_height, self.frame_rates.most = wishes.max_height, wishes.max_frame_rate
        return self.subscription.wish(wishes)

    def request_keyframe(self, stream: int, spatial: int, now: float) -> bool:
        """Ask for a keyframe of a stream's layer; False where one was asked for within the last half second."""
        due = self._keyframe_spacing.due(stream, spatial, now)
        if due:
            self._control.send(KeyframeRequest(stream, spatial))
        return due

    def speakers(self, message: Speakers, now: float) -> None:
        """Expect to hear those who begin to speak. Who speaks is not taken from the server, see ``Audible``."""
        if self.watchdog.speaking(message.started, message.stopped, now):
            self._path.expect(speech=True)

    def roster_changed(self, changed: Sequence[Event], now: float) -> None:
        """Follow the publications of the others."""
        for event in changed:
            if isinstance(event, events.TrackUnpublished):
                self.subscription.ended(event.track.stream)
                self.frame_rates.ended(event.track.stream)
        self.media.streams_changed(now)
        self.layers.publications_changed(now)

    def _tell_limits(self, now: float) -> None:
        for info, limit in self.limits.changes(now):
            self._emit(events.TrackLimited(info, limit.cause, limit.layer))

    def _opened(self, packet: MediaPacket[Header], now: float) -> None:
        self._audible.received(packet, now)
        if isinstance(packet.header, VideoHeader) and self.frame_rates.received(packet.header):
            self.layers.ask_again(now)
        if isinstance(packet.header, AudioHeader):
            self._path.expect(is_speech(packet.header) and not packet.header.end_of_talk)

    def _subscription_changed(self, asked: Subscribe) -> None:
        self.media.wants_changed(self.watchdog.subscription, asked)
        self.watchdog.subscription = asked
