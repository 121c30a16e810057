"""What a seated participant can do; ``Session`` offers these verbs."""

from __future__ import annotations

from tcclient.core.events import PathState
from tcclient.core.keys.peers import Peer
from tcclient.core.media.statistics import NetworkStatistics, PathStatistics, StreamStatistics
from tcclient.core.membership.roster import RoomState
from tcclient.core.seat import Seat
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Kind, Source, StreamChoice
from tcproto.packet import Series


class SeatVerbs:
    """Verbs of a seat. Without one those that send media send nothing, the others raise ``Refusal``."""

    control_rtt: float | None = None
    """Seconds of the last round trip on the control connection."""
    _seat: Seat | None = None

    @property
    def seat(self) -> Seat:
        """The seat in the room; raises ``Refusal`` outside of one."""
        if self._seat is None:
            raise Refusal(ErrorCode.NOT_IN_ROOM)
        return self._seat

    @property
    def room(self) -> RoomState:
        """The roster of the room; raises ``Refusal`` outside of one."""
        return self.seat.room

    @property
    def path_state(self) -> PathState:
        """State of the UDP path."""
        return self._seat.path.state if self._seat is not None else PathState.UNKNOWN

    @property
    def path_statistics(self) -> PathStatistics:
        """What was measured on the path; raises ``Refusal`` outside of a room."""
        return self.seat.path.statistics

    def network_statistics(self) -> NetworkStatistics:
        """Return how both directions of the path do; raises ``Refusal`` outside of a room."""
        path, down = self.seat.path, self.seat.media.direction()
        measured = path.statistics
        return NetworkStatistics(path.state, measured.rtt, measured.rtt_jitter, self.control_rtt, measured.up, down)

    def stream_statistics(self) -> dict[tuple[int, Series], StreamStatistics]:
        """Return the counts of what was received, by sealer and series."""
        return self._seat.media.statistics() if self._seat is not None else {}

    def peer(self, participant: int) -> Peer | None:
        """Return a verified other member as a sender, such as its clock mappings; None for anybody else."""
        return self._seat.peers.get(participant) if self._seat is not None else None

    def subscribe(self, sources: tuple[Source, ...], choices: tuple[StreamChoice, ...] = ()) -> int:
        """Set what is wanted, whole each time: sources of everybody, and single streams; return the request id."""
        return self.seat.subscribe(sources, choices)

    def request_keyframe(self, stream: int, spatial: int, now: float) -> bool:
        """Ask for a keyframe of a stream's layer; False where one was asked for within the last half second."""
        return self.seat.request_keyframe(stream, spatial, now)

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
    ) -> int:
        """Announce a publication, the first of which makes us a sender of keys; return its number.

        ``Published`` or ``PublishFailed`` follows. Raises ``ValueError`` for a value out of range.
        """
        return self.seat.publish(kind, source, codec, muted, layers, width, height, now)

    def unpublish(self, number: int) -> int:
        """End a publication at once; return the request id, 0 where it has ended already."""
        return self.seat.unpublish(number)

    def set_muted(self, number: int, muted: bool) -> int:
        """Mute or unmute, here at once; return the request id. Raises ``Refusal`` where it is not live."""
        return self.seat.set_muted(number, muted)

    def can_send(self, number: int) -> bool:
        """Tell whether a frame of a publication would be sent now, were it not muted.

        That is: it is accepted, and all present members have acknowledged the sender key, or had three seconds to.
        The state of the path does not count: a path that is lost is still tried, as long as there is no other.
        """
        return self._seat is not None and self._seat.publications.can_send(number)

    def send_audio(
        self,
        number: int,
        payload: bytes,
        timestamp: int,
        now: float,
        *,
        duration_ms: int = 20,
        level: int = 127,
        voice: bool = False,
        end_of_talk: bool = False,
        comfort: bool = False,
        captured_at: float | None = None,
    ) -> bool:
        """Send an audio frame; False where it was not sent: not published yet, ended, muted, or no key.

        ``timestamp`` is in samples at 48 kHz (taken modulo 2**32), ``level`` in -dBov (0..127), ``captured_at`` the
        moment of the first sample (default: ``now``), for lip-sync. Raises ``ValueError`` for a value out of range.
        """
        if self._seat is None:
            return False
        return self._seat.publications.send_audio(
            number,
            payload,
            timestamp,
            duration_ms,
            level,
            voice,
            end_of_talk,
            comfort,
            now,
            now if captured_at is None else captured_at,
        )

    def send_video(
        self,
        number: int,
        frame: bytes,
        timestamp: int,
        now: float,
        *,
        keyframe: bool,
        discardable: bool = False,
        spatial: int = 0,
        temporal: int = 0,
        reference: int = 1,
        captured_at: float | None = None,
    ) -> int:
        """Cut a frame into packets of equal size and send them; return how many, 0 where it was not sent.

        ``timestamp`` is at 90 kHz (taken modulo 2**32), ``reference`` the distance to the frame that this one refers to
        (not used for a keyframe), ``captured_at`` as for audio. The caller paces the datagrams. Raises ``ValueError``
        for a value out of range.
        """
        if self._seat is None:
            return 0
        return self._seat.publications.send_video(
            number,
            frame,
            timestamp,
            keyframe,
            discardable,
            spatial,
            temporal,
            reference,
            now,
            now if captured_at is None else captured_at,
        )
