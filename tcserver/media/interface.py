"""What the control plane and the media plane say to each other.

The control plane gives commands, the media plane reports events. Both are plain values, so that the media plane can
run in the same process or in a worker. Commands are applied in order and never fail: one about something that is gone
is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tcproto.messages import Caps, Kind

STREAM_HOST = "stream"
"""Host of the address of a byte stream. The port is its number."""
MAX_LAG = 0.05
"""Seconds by which deadlines in a row may be missed. Everybody hears a longer delay as jitter."""
WORKER_MASK = 0xFF
"""Bits of a media id that number the media worker of the seat; 0 where there is one media plane."""


class Address(NamedTuple):
    """Where a datagram came from, and where answers go: a lane, and the remote address there."""

    lane: int
    """Index of the lane, such as a UDP socket."""
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class OpenSealer:
    """Opens a room and its sealer in this media plane. ``room`` is the number of the room in this server for life."""

    room: int
    sealer: int
    epoch: int
    key: bytes
    worker: int = 0
    """The media worker that seals with this key. Its number is the low byte of the media ids that it serves."""


@dataclass(frozen=True, slots=True)
class ShareRoom:
    """Tells each media worker of a room which workers the room has; again when one is new or was replaced."""

    room: int
    home: int
    """The worker that decides who speaks and who is forwarded."""
    workers: tuple[int, ...]
    """All that have seats of the room."""


@dataclass(frozen=True, slots=True)
class TellSealer:
    """Asks each media worker of a room how far its sealer is, for a seat that joins; answered by ``SealerTold``."""

    room: int
    media_id: int


@dataclass(frozen=True, slots=True)
class RotateSealer:
    """Has the sealer of a media worker seal with a new key, from ``at`` (monotonic seconds) on."""

    room: int
    worker: int
    epoch: int
    key: bytes
    at: float


@dataclass(frozen=True, slots=True)
class CloseRoom:
    """Forgets the room, its sealer, seats and streams."""

    room: int


@dataclass(frozen=True, slots=True)
class OpenSeat:
    """Opens a seat in a room: its media id and its keys; answered by ``SeatOpened``."""

    media_id: int
    room: int
    participant: int
    epoch: int
    up_key: bytes
    down_key: bytes
    account: int | None = None
    """Number of the account (from 0). All its seats have one place among the loudest together; None: this one alone."""


@dataclass(frozen=True, slots=True)
class RekeySeat:
    """Gives a seat new keys, in use from its first datagram under them on. The old up key stays for the overlap."""

    media_id: int
    epoch: int
    up_key: bytes
    down_key: bytes


@dataclass(frozen=True, slots=True)
class CloseSeat:
    """Forgets a seat and its streams, and takes it out of the receivers of all streams of its room."""

    media_id: int
    room: int


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Has pings under this id and key answered until ``until`` (monotonic seconds), at most so many ``datagrams``."""

    media_id: int
    key: bytes
    until: float
    datagrams: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Opens a stream that a seat may send. ``kind`` None: the beacon of the seat."""

    stream: int
    media_id: int
    kind: Kind | None
    caps: Caps
    muted: bool = False
    layers: int = 1
    """Spatial layers that may be sent, 1 to 4; packets of others are dropped."""
    microphone: int = 0
    """The stream of the same seat that it stands in for at a low rate; 0: none."""


@dataclass(frozen=True, slots=True)
class MuteStream:
    """Mutes or unmutes a stream. Packets of a muted stream are dropped as they come."""

    stream: int
    media_id: int
    muted: bool


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Forgets a stream."""

    stream: int
    media_id: int


@dataclass(frozen=True, slots=True)
class SendKeyframe:
    """Sends a receiver of a stream the last keyframe again; if it is not kept, ``KeyframeAsked`` is the answer."""

    stream: int
    media_id: int
    """Media id of the publisher."""
    receiver: int
    """Media id of the receiver, which asked for it."""
    spatial: int


class Receiver(NamedTuple):
    """One receiver of a stream, and which parts of the stream it wants."""

    media_id: int
    redundant: bool = False
    max_spatial: int = 3
    max_temporal: int = 7
    min_spatial: int = 0
    voices: int = 0
    """Streams of sound that it wants at a time, at most, by the ranking of the speaker selection; 0: all."""

    def wants(self, spatial: int) -> bool:
        """Return whether it wants a spatial layer."""
        return self.min_spatial <= spatial <= self.max_spatial


@dataclass(frozen=True, slots=True)
class ChangeForwarding:
    """Forwards these streams of a room to ``receivers`` from now on, and no more to ``gone``.

    All other receivers stay: the whole table would be megabytes for each join of a room of hundreds.
    """

    room: int
    streams: tuple[int, ...]
    receivers: tuple[Receiver, ...] = ()
    """New receivers, and those that want other parts than before."""
    gone: tuple[int, ...] = ()
    """Media ids."""


@dataclass(frozen=True, slots=True)
class SetSpeakers:
    """Limits how many talkers of a room are forwarded: the loudest. ``limit`` 0: all, as in a new room."""

    room: int
    limit: int
    always: tuple[int, ...] = ()
    """Media ids of seats that are forwarded at any level, and take nobody's place."""


@dataclass(frozen=True, slots=True)
class SendUrgent:
    """Sends seats a control message by a datagram, too: those that have a proven path by UDP."""

    media_ids: tuple[int, ...]
    message: bytes


Command = (
    OpenSealer
    | ShareRoom
    | TellSealer
    | RotateSealer
    | CloseRoom
    | OpenSeat
    | RekeySeat
    | CloseSeat
    | OpenTicket
    | OpenStream
    | MuteStream
    | CloseStream
    | SendKeyframe
    | ChangeForwarding
    | SetSpeakers
    | SendUrgent
)


class SealerState(NamedTuple):
    """Key and position of a sealer, as a new seat needs them."""

    sealer: int
    epoch: int
    key: bytes
    next_counter: int


@dataclass(frozen=True, slots=True)
class SeatOpened:
    """The seat is open. ``sealer`` has the key in use, then the keys that wait, of its room and worker."""

    media_id: int
    sealer: tuple[SealerState, ...]


@dataclass(frozen=True, slots=True)
class SealerTold:
    """The sealer of another media worker that has seats of the room."""

    media_id: int
    """Media id of the seat for which it was asked."""
    sealer: tuple[SealerState, ...]


@dataclass(frozen=True, slots=True)
class PathProven:
    """Datagrams to and from the seat arrive, at this address."""

    media_id: int
    address: Address


@dataclass(frozen=True, slots=True)
class PathLost:
    """Nothing came from the seat for too long. Nothing is sent to it until its path is proven again."""

    media_id: int


@dataclass(frozen=True, slots=True)
class SeatSilent:
    """Nothing came from the proven address of the seat for some seconds, or something came again."""

    media_id: int
    silent: bool


@dataclass(frozen=True, slots=True)
class SeatLeft:
    """The client of the seat has said by a datagram that it has left."""

    media_id: int


@dataclass(frozen=True, slots=True)
class UrgentCame:
    """The client of the seat has sent a control message by a datagram, too. It is not read here."""

    media_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class SeatRekeyDue:
    """A seat's keys come near their limit of datagrams or age: new ones are due."""

    media_id: int


@dataclass(frozen=True, slots=True)
class SealerRekeyDue:
    """A sealer's key comes near its limit of datagrams or age: a new one is due."""

    room: int
    sealer: int


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """Participants who began and stopped speaking, and the dominant speaker (0: nobody yet)."""

    room: int
    started: tuple[int, ...]
    stopped: tuple[int, ...]
    dominant: int


@dataclass(frozen=True, slots=True)
class KeyframeAsked:
    """A receiver needs a keyframe that is not kept here to be sent again."""

    media_id: int
    stream: int
    spatial: int


@dataclass(frozen=True, slots=True)
class Overloaded:
    """The media plane has more to do than it can. Told each second while that lasts."""

    lag: float
    """The least lateness of its deadlines in that second, in seconds."""
    datagrams: float
    """Datagrams sent per second, counted once for each receiver."""


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How much a media worker has to do, told each second."""

    worker: int
    datagrams: float
    """Datagrams sent per second, counted once for each receiver."""


@dataclass(frozen=True, slots=True)
class WorkerReplaced:
    """The process of a media worker has ended. Another is in its place, which knows nothing of earlier commands."""

    worker: int


@dataclass(frozen=True, slots=True)
class RoomFailed:
    """A command about a room failed unexpectedly, and was carried out in part or not at all. The room begins anew."""

    room: int


Event = (
    SeatOpened
    | SealerTold
    | PathProven
    | PathLost
    | SeatSilent
    | SeatLeft
    | UrgentCame
    | SeatRekeyDue
    | SealerRekeyDue
    | SpeakersChanged
    | KeyframeAsked
    | Overloaded
    | WorkerLoad
    | WorkerReplaced
    | RoomFailed
)
