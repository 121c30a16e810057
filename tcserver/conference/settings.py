"""Settings of the conference: what an operator sets, in the units of the conference, and what nobody sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from tcproto.messages import Caps, Source
from tcserver.config.sections import (
    Configuration,
    LimitsSection,
    LoginSection,
    MediaSection,
    RoomsSection,
    ServerSection,
)


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


RATES: Mapping[MessageClass, Rate] = MappingProxyType(
    {
        MessageClass.LOGIN: Rate(1, 10),
        MessageClass.ROOM: Rate(2, 20),
        MessageClass.MEDIA: Rate(20, 100),
        MessageClass.OTHER: Rate(10, 50),
    }
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sections of the operator's configuration, and limits and delays (s) that no operator sets."""

    server: ServerSection = field(default_factory=ServerSection)
    login: LoginSection = field(default_factory=LoginSection)
    rooms: RoomsSection = field(default_factory=RoomsSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    media: MediaSection = field(default_factory=MediaSection)
    challenge_delay: float = 0.02
    """Time from the name of an account to the challenge. A look-up takes far less, so that it does not show."""
    failed_login_delay: float = 0.25
    """Time from a failed login to its reply. It is the same for every reason, so that the reason does not show."""
    ping_interval: float = 5.0
    """Silence after which the client is pinged."""
    max_unused_rooms: int = 8
    """Rooms that one account has opened and nobody has entered. A client joins the room that it opens."""
    seat_timeout: float = 5.0
    """Time that the media plane has to open a seat."""
    beacon_caps: Caps = field(default_factory=lambda: Caps(bitrate=16_000, packets_per_second=5))
    """Rate caps of a beacon: one in 10 s, and a burst when the member set changes."""
    low_rate_caps: Caps = field(default_factory=lambda: Caps(bitrate=64_000, packets_per_second=40))
    """Rate caps of a microphone_low: 17 packets in a second, each with three copies where the way up loses much."""
    rates: Mapping[MessageClass, Rate] = field(default_factory=lambda: RATES)
    """Rates of the classes for which an operator sets none."""
    ticket_rate: Rate = field(default_factory=lambda: Rate(20, 100))
    """Probe tickets of the whole server. The media plane holds each for 10 s."""

    @classmethod
    def of(cls, configuration: Configuration) -> Settings:
        """Return the settings of a server with this configuration."""
        return cls(
            server=configuration.server,
            login=configuration.login,
            rooms=configuration.rooms,
            limits=configuration.limits,
            media=configuration.media,
        )

    @cached_property
    def media_workers(self) -> int:
        """Media planes that rooms are placed on; does not change while the server runs."""
        return max(1, self.server.workers)

    @cached_property
    def message_rates(self) -> Mapping[MessageClass, Rate]:
        """Rates of the messages of one connection, by class."""
        chat = Rate(self.limits.chat_per_s, self.limits.chat_burst)
        return {name: self.rates.get(name, chat) for name in MessageClass}

    @cached_property
    def total_rate(self) -> Rate:
        """Rate of all messages of a connection, with those that have no class. Beyond it the connection is closed."""
        return Rate(self.limits.messages_per_s, self.limits.message_burst)

    @cached_property
    def account_cost(self) -> Rate:
        """Microseconds of processor time that the control messages of an account may cost."""
        return Rate(self.limits.account_ms_per_s * 1000, round(self.limits.account_burst_ms * 1000))

    @cached_property
    def login_rate(self) -> Rate:
        """Successful logins of the whole server."""
        return Rate(self.login.logins_per_s, self.login.login_burst)

    @cached_property
    def join_rate(self) -> Rate:
        """Joins of the whole server."""
        return Rate(self.rooms.joins_per_s, self.rooms.join_burst)

    @cached_property
    def caps(self) -> Mapping[Source, Caps]:
        """Rate caps of a publication, for each source that may be published."""
        media = self.media
        audio = Caps(int(media.audio_kbit_s * 1000), int(media.audio_packets_s))
        return {
            Source.MICROPHONE: audio,
            Source.MICROPHONE_LOW: self.low_rate_caps,
            Source.SCREEN_AUDIO: audio,
            Source.CAMERA: Caps(int(media.video_kbit_s * 1000), int(media.video_packets_s)),
            Source.SCREEN: Caps(int(media.screen_kbit_s * 1000), int(media.screen_packets_s)),
        }
