"""The settings of the conference, from the operator's configuration."""

from __future__ import annotations

from tcproto.messages import Caps, Source
from tcserver.conference import MessageClass, Rate, Settings
from tcserver.conference.settings import DEFAULT_RATES
from tcserver.config.sections import Configuration


def conference_settings(configuration: Configuration) -> Settings:
    """Return the settings of the conference."""
    login, rooms, limits, media = configuration.login, configuration.rooms, configuration.limits, configuration.media
    return Settings(
        maintenance=configuration.server.maintenance,
        max_sessions=login.max_sessions,
        max_half_open=login.max_half_open,
        max_half_open_per_address=login.max_half_open_per_address,
        login_timeout=login.time_limit_s,
        login_attempts=login.attempts,
        login_rate=Rate(login.logins_per_s, login.login_burst),
        temporary_rooms=rooms.temporary,
        max_rooms=rooms.max_rooms,
        max_rooms_per_account=rooms.max_rooms_per_account,
        kick=rooms.kick_s,
        max_participants=rooms.max_participants,
        join_rate=Rate(rooms.joins_per_s, rooms.join_burst),
        media_workers=max(1, configuration.server.workers),
        room_spread=configuration.server.room_spread,
        loudest=rooms.loudest,
        unused_room_lifetime=rooms.unused_close_s,
        empty_room_lifetime=rooms.empty_close_s,
        max_publications=limits.max_publications,
        idle_timeout=limits.idle_s,
        rates={**DEFAULT_RATES, MessageClass.CHAT: Rate(limits.chat_per_s, limits.chat_burst)},
        total_rate=Rate(limits.messages_per_s, limits.message_burst),
        account_cost=Rate(limits.account_ms_per_s * 1000, round(limits.account_burst_ms * 1000)),
        caps={
            Source.MICROPHONE: Caps(int(media.audio_kbit_s * 1000), int(media.audio_packets_s)),
            Source.SCREEN_AUDIO: Caps(int(media.audio_kbit_s * 1000), int(media.audio_packets_s)),
            Source.CAMERA: Caps(int(media.video_kbit_s * 1000), int(media.video_packets_s)),
            Source.SCREEN: Caps(int(media.screen_kbit_s * 1000), int(media.screen_packets_s)),
        },
    )
