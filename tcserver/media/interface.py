"""What the control plane and the media plane say to each other.

The control plane gives commands, the media plane reports events. Both are plain values, so that the media plane can
run in the same process or in a worker. Commands are applied in order and never fail: one about something that is gone
is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tcproto.messages import Caps, Kind

MAX_LAG = 0.05
"""Seconds that deadlines may be missed by, one after the other: more is heard as jitter by everybody."""


class Address(NamedTuple):
    """Where a datagram came from, and where answers go: a lane, and the remote address on it."""

    lane: int
    """Index of the lane, such as a UDP socket."""
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class OpenSealer:
    """The room's sealer in this media plane; ``room`` is the life-long number of the room in this server."""

    room: int
    sealer: int
    epoch: int
    key: bytes
    slot: int = 0
    """The media worker that seals under it: the low byte of the media ids that are served there."""


@dataclass(frozen=True, slots=True)
class ShareRoom:
    """Several media workers have seats of the room: told to each of them, again when one is new or was replaced."""

    room: int
    home: int
    """Slot of the worker that decides who speaks and who is forwarded."""
    slots: tuple[int, ...]
    """Of all the workers."""


@dataclass(frozen=True, slots=True)
class TellSealer:
    """Asks each media worker of a room how far its sealer is, for somebody who joins; ``SealerTold`` is the answer."""

    room: int
    media_id: int


@dataclass(frozen=True, slots=True)
class RotateSealer:
    """From ``at`` (monotonic seconds) on the sealer in a slot seals under a new key."""

    room: int
    slot: int
    epoch: int
    key: bytes
    at: float


@dataclass(frozen=True, slots=True)
class CloseRoom:
    """Forgets the room, its sealer, seats and streams."""

    room: int


@dataclass(frozen=True, slots=True)
class OpenSeat:
    """A media id with its keys, in a room; answered by ``SeatOpened``."""

    media_id: int
    room: int
    participant: int
    epoch: int
    up_key: bytes
    down_key: bytes
    account: int | None = None
    """Number of the account (from 0), whose seats have one place among the loudest together; None: of nobody else's."""


@dataclass(frozen=True, slots=True)
class RekeySeat:
    """New keys of a seat, used from the first datagram on that is under them; the old up key for the overlap more."""

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
    """A probe ticket: pings under this id and key are answered until ``until``, or ``datagrams`` are spent."""

    media_id: int
    key: bytes
    until: float
    datagrams: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that a seat may send; ``kind`` None is the seat's beacon."""

    stream: int
    media_id: int
    kind: Kind | None
    caps: Caps
    muted: bool = False
    layers: int = 1
    """Spatial layers that may be sent, 1 to 4; packets of others are dropped."""


@dataclass(frozen=True, slots=True)
class MuteStream:
    """Packets of a muted stream are dropped at ingress."""

    stream: int
    media_id: int
    muted: bool


@dataclass(frozen=True, slots=True)
class CloseStream:
    """The stream ends."""

    stream: int
    media_id: int


@dataclass(frozen=True, slots=True)
class SendKeyframe:
    """A receiver of a stream asks for a keyframe: it is sent the last one again, or ``KeyframeAsked`` is the answer."""

    stream: int
    media_id: int
    """Of the publisher."""
    receiver: int
    """Media id of who asks."""
    spatial: int


class Receiver(NamedTuple):
    """One receiver of a stream, and what of it is wanted."""

    media_id: int
    redundant: bool = False
    max_spatial: int = 3
    max_temporal: int = 7


@dataclass(frozen=True, slots=True)
class ChangeForwarding:
    """Each of these streams of a room goes to these receivers from now on; those of ``gone`` get it no more.

    Only differences: all receivers of all streams would be megabytes for each join of a room of hundreds.
    """

    room: int
    streams: tuple[int, ...]
    receivers: tuple[Receiver, ...] = ()
    """New ones, and those that want something else than before."""
    gone: tuple[int, ...] = ()
    """Media ids."""


@dataclass(frozen=True, slots=True)
class SetSpeakers:
    """How many talkers of a room are forwarded, the loudest; ``limit`` 0: all, as in a room that is new."""

    room: int
    limit: int
    always: tuple[int, ...] = ()
    """Media ids of seats that are forwarded whatever their level, and take nobody's place."""


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
)


class SealerState(NamedTuple):
    """Key and position of a sealer, as a newcomer needs it."""

    sealer: int
    epoch: int
    key: bytes
    next_counter: int


@dataclass(frozen=True, slots=True)
class SeatOpened:
    """The seat is there; ``sealer`` is that of its room and media worker, a key that waits for its turn as one more."""

    media_id: int
    sealer: tuple[SealerState, ...]


@dataclass(frozen=True, slots=True)
class SealerTold:
    """The sealer of another media worker that has seats of the room."""

    media_id: int
    """For whom it was asked."""
    sealer: tuple[SealerState, ...]


@dataclass(frozen=True, slots=True)
class PathProven:
    """UDP to and from the seat works, at this address."""

    media_id: int
    address: Address


@dataclass(frozen=True, slots=True)
class PathLost:
    """Nothing came from the seat by UDP for too long; nothing is sent to it until the path is proven again."""

    media_id: int


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
    """The media plane has more to do than it can: told each second while it lasts."""

    lag: float
    """Seconds by which it was late each time, at least."""
    datagrams: float
    """Sent per second, all receivers counted."""


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How much a media worker has to do, told each second."""

    slot: int
    datagrams: float
    """Sent per second, all receivers counted."""


@dataclass(frozen=True, slots=True)
class WorkerReplaced:
    """A media worker has ended, and another that knows nothing has its slot; what was commanded meanwhile is lost."""

    slot: int


@dataclass(frozen=True, slots=True)
class RoomFailed:
    """A command about a room failed unexpectedly, and was not carried out or in part: the room has to begin anew."""

    room: int


Event = (
    SeatOpened
    | SealerTold
    | PathProven
    | PathLost
    | SeatRekeyDue
    | SealerRekeyDue
    | SpeakersChanged
    | KeyframeAsked
    | Overloaded
    | WorkerLoad
    | WorkerReplaced
    | RoomFailed
)
