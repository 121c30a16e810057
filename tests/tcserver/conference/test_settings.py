from dataclasses import fields

from tcproto.messages import Caps, Source
from tcserver.conference import MessageClass, Rate, Settings
from tcserver.conference.settings import RATES
from tcserver.config.configuration import Sources
from tcserver.config.sections import Configuration


def test_settings_hold_the_sections_of_the_configuration() -> None:
    flags = {
        "server.maintenance": "true",
        "login.attempts": "7",
        "rooms.loudest": "1",
        "limits.idle_s": "20",
        "media.audio_kbit_s": "20",
    }
    configuration = Sources(flags=flags).load()
    made = Settings.of(configuration)
    shared = {field.name for field in fields(Settings)} & {field.name for field in fields(Configuration)}
    assert shared == {key.partition(".")[0] for key in flags}
    for section in shared:
        assert getattr(made, section) == getattr(configuration, section) != getattr(Settings(), section)
    assert Settings.of(Configuration()) == Settings()


def test_units() -> None:
    flags = {
        "login.logins_per_s": "3",
        "login.login_burst": "4",
        "limits.chat_per_s": "5",
        "limits.chat_burst": "6",
        "limits.messages_per_s": "7",
        "limits.message_burst": "8",
        "limits.account_ms_per_s": "1.5",
        "limits.account_burst_ms": "50.4",
        "media.audio_kbit_s": "6.5",
        "media.audio_packets_s": "9.9",
        "media.video_kbit_s": "60",
        "media.video_packets_s": "11",
        "media.screen_kbit_s": "50",
        "media.screen_packets_s": "12",
        "rooms.joins_per_s": "9",
        "rooms.join_burst": "10",
    }
    made = Settings.of(Sources(flags=flags).load())
    assert made.login_rate == Rate(3, 4)
    assert made.join_rate == Rate(9, 10)
    assert made.message_rates == {**RATES, MessageClass.CHAT: Rate(5, 6)}
    assert list(made.message_rates) == list(MessageClass)
    assert made.total_rate == Rate(7, 8)
    assert made.account_cost == Rate(1500, 50_400)
    assert made.caps == {
        Source.MICROPHONE: Caps(6500, 9),
        Source.MICROPHONE_LOW: Caps(64_000, 40),
        Source.SCREEN_AUDIO: Caps(6500, 9),
        Source.CAMERA: Caps(60_000, 11),
        Source.SCREEN: Caps(50_000, 12),
    }


def test_a_server_without_workers_has_one_media_plane() -> None:
    for workers, planes in (("0", 1), ("1", 1), ("3", 3)):
        assert Settings.of(Sources(flags={"server.workers": workers}).load()).media_workers == planes
