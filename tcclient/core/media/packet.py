"""A packet of another participant on its way through the client: sealed, then opened, and the same up to the ear."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from tcproto.packet import AudioHeader, Header, VideoHeader

Slot = tuple[int, int, int]
"""A series of a sealer: sealer id, stream id, series code."""
HeaderT_co = TypeVar("HeaderT_co", bound=Header, covariant=True)


class SealedPacket(NamedTuple):
    """A packet as it was forwarded to us, before it is opened."""

    header: Header
    packet: bytes
    """Header, payload and tag."""
    sealer: int
    """Id of the sealer of the datagram it came in."""
    forward: int
    """Forward number, u16."""
    redundant: bool
    """Whether it belongs to the redundant variant of its stream."""
    relay_time: int
    """µs by the relay's clock, modulo 2**32."""
    held_ms: int
    """How long the relay held the packet back; not jitter."""
    transit: float | None
    """Seconds on the way, up to a constant of the sealer; None where the relay time tells nothing about the way."""
    delay: float
    """Seconds behind the quickest packet of the sealer."""
    received_at: float
    """Monotonic seconds."""
    repaired: bool = False
    """Whether it was lost at first."""

    @property
    def slot(self) -> Slot:
        """The series of the packet."""
        header = self.header
        layer = header.spatial << 5 | header.temporal if isinstance(header, VideoHeader) else 0
        return self.sealer, header.stream, layer


class MediaPacket(NamedTuple, Generic[HeaderT_co]):
    """A packet of another participant: authentic, new, and opened.

    It goes as it is to the jitter buffer, the picture assembly and the recording. A whole frame has the same form: a
    frame of sound is one packet, and a picture is the header of its first packet with the payload of all.
    """

    participant: int
    publication: int
    """Number of the publication."""
    header: HeaderT_co
    payload: bytes
    received_at: float
    """Monotonic seconds."""
    relay_time: int
    """µs by the relay's clock, modulo 2**32."""
    held_ms: int
    """How long the relay held the packet back; not jitter."""
    lost: int = 0
    """Packets of the stream that were lost on the way from the relay, as far as known; may fall when one comes late."""
    repaired: bool = False
    """Whether it was lost at first, on either way: its lateness says nothing about the way."""


AudioPacket = MediaPacket[AudioHeader]
VideoPacket = MediaPacket[VideoHeader]
