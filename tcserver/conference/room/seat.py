"""The seat of a participant in a room: what it publishes, and what it wants to receive."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from tcproto.datagram import EPOCH_BITS
from tcproto.messages import (
    Join,
    Joined,
    Kind,
    Member,
    Permission,
    PublicationInfo,
    Quality,
    Resumed,
    Role,
    RoomKey,
    Source,
    StreamChoice,
)
from tcproto.packet import MAX_SPATIAL
from tcproto.secretbox import KEY_SIZE
from tcproto.serial import wrapped
from tcserver.conference.limits.passing import Passing
from tcserver.conference.login.connection import Request
from tcserver.conference.login.session import Channel, Session
from tcserver.conference.permissions import NO_PERMISSION
from tcserver.conference.room.interest import Interest
from tcserver.conference.room.keyframes import KeyframeThrottle
from tcserver.conference.settings import Settings
from tcserver.media.interface import WORKER_MASK, OpenStream, Receiver, SealerState

MAX_WISHES = 8
"""Ways in which a seat wants streams that are remembered. When there are more, all are forgotten."""
MAX_KEYS_PASSED = 32
"""Key boxes and receipts for one other participant in ``WINDOW`` seconds. A client makes at most a key a second, and
one that comes again may send some twice. All of them could be 20 kbit/s, which even a thin line bears."""
MAX_URGENT_PASSED = 48
"""The same by datagrams, which repeat a box five times a second until it is confirmed."""


@dataclass(slots=True, eq=False)
class Stream:
    """A stream in the media plane: a publication, or the beacon of a seat, which has no ``info``."""

    number: int
    seat: Seat
    info: PublicationInfo | None = None
    microphone: Stream | None = None
    """That which it stands in for, if it is a microphone_low."""
    receivers: dict[int, Receiver] = field(default_factory=dict)
    """Receivers by media id, as the media plane knows them."""
    keyframes: KeyframeThrottle = field(default_factory=KeyframeThrottle)
    interest: Interest | None = None
    """Which layers anybody wants; None for sound, but for a microphone_low, and beacons."""
    beyond_last_n: bool = False
    """Whether it is a camera that goes only to receivers that have chosen it: enough others spoke later (``LastN``)."""
    reply: Callable[[], None] | None = None
    """Answers the request to publish, until that is done."""

    def opening(self, settings: Settings) -> OpenStream:
        """Return the command that opens the stream in the media plane."""
        info = self.info
        if info is None:
            return OpenStream(self.number, self.seat.media_id, kind=None, caps=settings.beacon_caps)
        caps = settings.caps[info.source]
        microphone = self.microphone.number if self.microphone is not None else 0
        return OpenStream(self.number, self.seat.media_id, info.kind, caps, info.muted, info.layers, microphone)

    def set_receiver(self, media_id: int, receiver: Receiver | None, now: float) -> None:
        """Note how a receiver wants the stream; None: not at all."""
        before = self.receivers.pop(media_id, None)
        if receiver is not None:
            self.receivers[media_id] = receiver
        if self.interest is not None:
            self.interest.change(before, receiver, now)

    def granted(self, now: float) -> None:
        """Answer the request to publish, unless the publication has ended, and tell which layers are wanted."""
        if self.reply is not None:
            self.acknowledge()
            if self.interest is not None:
                self.interest.begin(now)

    def acknowledge(self) -> None:
        """Answer the request to publish, unless that is done."""
        reply, self.reply = self.reply, None
        if reply is not None:
            reply()


@dataclass(slots=True)
class Subscription:
    """What a seat wants to receive. A choice for a stream goes before the default for its source, and ends with it."""

    generation: int = 0
    defaults: frozenset[Source] = frozenset()
    choices: dict[int, StreamChoice] = field(default_factory=dict)
    redundant: frozenset[Source] = frozenset()
    """Sources that are wanted in the redundant variant."""
    voices: int = 0
    """Streams of sound that are wanted at a time, at most; 0: all."""


@dataclass(slots=True, eq=False)
class Seat:
    """A seat. Nobody in the room knows of it until the media plane has opened it."""

    participant: int
    media_id: int
    room: int
    """Number of the room."""
    session: Session
    join: Request[Join]
    """The request, with box key and member signature."""
    up_key: bytes
    down_key: bytes
    beacon: Stream = field(init=False)
    role: Role = Role.OBSERVER
    rank: int = 0
    """The seat may act on seats of this rank and of lower ranks."""
    permissions: Permission = NO_PERMISSION
    may_subscribe: bool = False
    """One of the permissions, worked out beforehand, since ``wish`` is asked for every stream."""
    epoch: int = 0
    """Epoch of the keys of the media path."""
    seated_at: float = 0.0
    """Time at which the participant was let in."""
    rekeyed_at: float = 0.0
    hand: int = 0
    """Unix time in ms at which the hand was raised; 0: it is down."""
    held: frozenset[Source] = frozenset()
    """Sources that another participant holds muted (``Holds``)."""
    is_open: bool = False
    is_speaking: bool = False
    is_silent: bool = False
    """Whether nothing comes by its media path."""
    reported_quality: Quality = Quality.UNKNOWN
    """How good the participant finds its connection."""
    waits_for: set[int] = field(default_factory=set)
    """Sealers of the room whose media workers have not reported their position yet."""
    keys: list[RoomKey] = field(default_factory=list)
    """Room keys of the sealers whose workers have."""
    missed_keys: list[RoomKey] = field(default_factory=list)
    """Room keys that were announced while the seat was being opened."""
    publications: dict[int, Stream] = field(default_factory=dict)
    """Publications, by the publisher's number."""
    last_number: int = 0
    """The highest publication number used so far."""
    subscription: Subscription = field(default_factory=Subscription)
    wishes: dict[Receiver, Receiver] = field(default_factory=dict)
    """The ways in which it wants streams: one object for each, since it may want hundreds in the same way."""
    passed_keys: Passing = field(default_factory=lambda: Passing(MAX_KEYS_PASSED))
    """Key boxes and receipts that its client has sent to others on the channel."""
    passed_urgent: Passing = field(default_factory=lambda: Passing(MAX_URGENT_PASSED))
    """The same by datagrams."""
    seen: int = 0
    """Number of the newest change that was sent."""
    entry: int = 0
    """Number of the change that announces the seat."""

    @property
    def channel(self) -> Channel:
        """The way to the client."""
        return self.session.channel

    @property
    def quality(self) -> Quality:
        """How good its connection is, as the others are told."""
        return Quality.LOST if self.is_silent else self.reported_quality

    @property
    def streams(self) -> list[Stream]:
        """Streams that the seat may send."""
        return [self.beacon, *self.publications.values()]

    @property
    def lone_microphone(self) -> Stream | None:
        """The last of its microphones, if no microphone_low stands in for that."""
        streams = self.publications.values()
        microphones = [each for each in streams if each.info and each.info.source is Source.MICROPHONE]
        last = microphones[-1] if microphones else None
        return None if any(each.microphone is last for each in streams) else last

    @property
    def worker(self) -> int:
        """Media worker that serves the seat."""
        return self.media_id & WORKER_MASK

    def room_keys(self) -> tuple[RoomKey, ...]:
        """Return the room keys for the reply to the join."""
        known = {(key.sealer, key.epoch) for key in self.keys}
        return (*self.keys, *(key for key in self.missed_keys if (key.sealer, key.epoch) not in known))

    def take_keys(self, states: Collection[SealerState]) -> bool:
        """Take the sealers that a media worker reported; return whether no other is waited for."""
        for state in states:
            if state.sealer in self.waits_for:
                self.keys.append(RoomKey(state.sealer, state.epoch, state.key, state.next_counter))
        self.waits_for -= {state.sealer for state in states}
        return not self.waits_for

    def forget_sealer(self, sealer: int) -> None:
        """Forget a sealer that is gone, and its keys for the reply to the join."""
        self.waits_for.discard(sealer)
        self.keys = [key for key in self.keys if key.sealer != sealer]
        self.missed_keys = [key for key in self.missed_keys if key.sealer != sealer]

    def member(self) -> Member:
        """Return the seat as the roster shows it."""
        session, join = self.session, self.join.message
        return Member(
            participant=self.participant,
            account=session.account.name,
            agency=session.account.display,
            name=session.name,
            role=self.role,
            device_key=session.device_key,
            box_key=join.box_key,
            signed_at=join.signed_at,
            signature=join.signature,
            beacon_stream=self.beacon.number,
            permissions=int(self.permissions),
            hand=self.hand,
        )

    def joined(self, room_keys: tuple[RoomKey, ...]) -> Joined:
        """Return the reply to the request to join."""
        return Joined(
            participant=self.participant,
            media_id=self.media_id,
            epoch=self.epoch,
            up_key=self.up_key,
            down_key=self.down_key,
            room_keys=room_keys,
            beacon_stream=self.beacon.number,
            role=self.role,
            permissions=int(self.permissions),
        )

    def resumed(self) -> Resumed:
        """Return the reply to the request to resume."""
        return Resumed(
            participant=self.participant,
            media_id=self.media_id,
            epoch=self.epoch,
            up_key=self.up_key,
            down_key=self.down_key,
            resume_token=self.session.token,
            number=self.channel.received,
        )

    def renew_keys(self, random_bytes: Callable[[int], bytes], now: float) -> None:
        """Make new keys of the media path, under the next epoch."""
        self.rekeyed_at = now
        self.epoch = wrapped(self.epoch + 1, EPOCH_BITS)
        self.up_key, self.down_key = random_bytes(KEY_SIZE), random_bytes(KEY_SIZE)

    def wish(self, stream: Stream) -> Receiver | None:
        """Return how the seat wants to receive a stream of another seat; None: not at all."""
        wish = self._wish(stream)
        if wish is None:
            return None
        if len(self.wishes) >= MAX_WISHES and wish not in self.wishes:
            self.wishes.clear()
        return self.wishes.setdefault(wish, wish)

    def _wish(self, stream: Stream) -> Receiver | None:
        info = stream.info
        if info is None:
            # A beacon carries the view of the member set. A client that refused beacons would not see an added member.
            return Receiver(self.media_id)
        if not self.may_subscribe:
            return None
        if stream.microphone is not None:
            return self._wish(stream.microphone) if info.source in self.subscription.defaults else None
        redundant = info.source in self.subscription.redundant
        by_default = info.source in self.subscription.defaults and not stream.beyond_last_n
        voices = self.subscription.voices if info.kind is Kind.AUDIO else 0
        choice = self.subscription.choices.get(stream.number)
        if choice is None:
            # Of several layers the lowest, which each way down bears. Who wants another one chooses it.
            highest = MAX_SPATIAL if info.layers == 1 else 0
            return Receiver(self.media_id, redundant, highest, voices=voices) if by_default else None
        if not choice.wanted or (choice.by_default and not by_default):
            return None
        redundant = redundant or choice.redundant
        lowest = min(choice.min_spatial, choice.max_spatial, info.layers - 1)
        return Receiver(self.media_id, redundant, choice.max_spatial, choice.max_temporal, lowest, voices)
