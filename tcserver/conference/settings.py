"""Settings of the conference: what an operator may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from tcproto.messages import Caps, Source


class MessageClass(StrEnum):
    """Messages that share one token bucket of a connection."""

    LOGIN = "login"
    ROOM = "room"
    MEDIA = "media"
    CHAT = "chat"
    OTHER = "other"


class Rate(NamedTuple):
    """Refill of a token bucket, in tokens per second, and its size, in tokens. Mostly a token is a message."""

    per_second: float
    burst: int


DEFAULT_RATES: Mapping[MessageClass, Rate] = MappingProxyType(
    {
        MessageClass.LOGIN: Rate(1, 10),
        MessageClass.ROOM: Rate(2, 20),
        MessageClass.MEDIA: Rate(20, 100),
        MessageClass.CHAT: Rate(2, 20),
        MessageClass.OTHER: Rate(10, 50),
    }
)


DEFAULT_CAPS: Mapping[Source, Caps] = MappingProxyType(
    {
        # Opus at 64 kbit/s with two copies, at 10 ms per packet.
        Source.MICROPHONE: Caps(bitrate=160_000, packets_per_second=130),
        Source.SCREEN_AUDIO: Caps(bitrate=160_000, packets_per_second=130),
        # Three layers up to 720p.
        Source.CAMERA: Caps(bitrate=4_000_000, packets_per_second=1000),
        # Text at 1080p, in bursts.
        Source.SCREEN: Caps(bitrate=6_000_000, packets_per_second=1500),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and delays, in seconds where nothing else is said."""

    max_sessions: int = 1000
    """Sessions of the whole server. Beyond it, logins are answered ``server_full``."""
    max_half_open: int = 1024
    """Connections of the whole server that have not logged in: the bound of what strangers make the server remember."""
    max_half_open_per_address: int = 64
    """Connections of one address that have not logged in. An office of 35 behind one address fits twice."""
    login_timeout: float = 10.0
    """Time for the handshake, and again for the login."""
    challenge_delay: float = 0.02
    """Time from the name of an account to the challenge. A look-up takes far less, so that it does not show."""
    failed_login_delay: float = 0.25
    """Time from a failed login to its reply. It is the same for every reason, so that the reason does not show."""
    maintenance: bool = False
    """Whether only administrators may log in. Sessions that there are go on."""
    login_attempts: int = 3
    """Failed logins of one connection. Each further guess costs a new handshake."""
    ping_interval: float = 5.0
    """Silence after which the client is pinged."""
    idle_timeout: float = 15.0
    """Silence after which the connection counts as dead."""
    detached_lifetime: float = 0.0
    """A session whose connection was lost waits so long for another one; 0: it ends with the connection."""
    media_workers: int = 1
    """Media planes that rooms are placed on, 1 to 256; does not change while the server runs."""
    room_spread: int = 100
    """Seats of a room on the media plane that it began on before others get some. One core serves so many with ease."""
    temporary_rooms: bool = True
    """Whether ``open_room`` makes a room where the name is not known."""
    max_rooms: int = 256
    """Temporary rooms that are open at a time. Each costs the media plane a sealer. Permanent rooms always open."""
    max_rooms_per_account: int = 16
    """Temporary rooms that one account has opened, so that no account uses up ``max_rooms``."""
    max_unused_rooms: int = 8
    """Rooms that one account has opened and nobody has entered. A client joins the room that it opens."""
    kick: float = 300.0
    """Time in which a device that was kicked cannot come back. 0: a kick takes only the seat."""
    max_participants: int = 500
    """Seats of a room, unless it sets a lower limit."""
    loudest: int = 3
    """Talkers that are forwarded in a room of more than eight: the loudest. 0: all. Holds from the next join or leave.

    More than three at once nobody can follow.
    """
    unused_room_lifetime: float = 300.0
    """Time after which a room closes that nobody has entered."""
    empty_room_lifetime: float = 20.0
    """Time from the last leave to the end of the room, long enough to come back after a dead connection."""
    seat_timeout: float = 5.0
    """Time that the media plane has to open a seat."""
    max_publications: int = 8
    """Publications of one participant: microphone, camera, screen, and room for tests."""
    caps: Mapping[Source, Caps] = field(default_factory=lambda: DEFAULT_CAPS)
    """Rate caps of a publication, for each source that may be published."""
    beacon_caps: Caps = field(default_factory=lambda: Caps(bitrate=16_000, packets_per_second=5))
    """Rate caps of a beacon: one in 10 s, and a burst when the member set changes."""
    rates: Mapping[MessageClass, Rate] = field(default_factory=lambda: DEFAULT_RATES)
    """Rates of the messages of one connection, by class."""
    total_rate: Rate = field(default_factory=lambda: Rate(200, 1000))
    """Rate of all messages of a connection, with those that have no class. Beyond it the connection is closed."""
    account_cost: Rate = field(default_factory=lambda: Rate(50_000, 1_000_000))
    """Microseconds of processor time that the control messages of an account may cost: 5 % of a core in the long run,
    and a second at once, which a large agency needs when all of its participants come or go."""
    login_rate: Rate = field(default_factory=lambda: Rate(50, 100))
    """Successful logins of the whole server. A storm after a restart must not delay those who are in a meeting."""
    join_rate: Rate = field(default_factory=lambda: Rate(50, 100))
    """Joins of the whole server. Each is told to everybody in the room."""
    ticket_rate: Rate = field(default_factory=lambda: Rate(20, 100))
    """Probe tickets of the whole server. The media plane holds each for 10 s."""
