from tcproto.messages import Caps, Source
from tcserver.conference import MessageClass, Rate, Settings
from tcserver.config.configuration import Sources, settings
from tcserver.config.sections import Configuration
from tcserver.daemon.conference_settings import conference_settings
from tcserver.records.kinds import Flag, Number

ELSEWHERE = {"login.max_sessions_per_account"}
"""Belongs to the accounts that are made, not to the conference."""


def test_the_defaults_are_those_of_the_conference() -> None:
    assert conference_settings(Configuration()) == Settings()


def test_every_limit_reaches_the_conference() -> None:
    for key, kind, _, _, default in settings():
        section = key.partition(".")[0]
        if section not in ("login", "rooms", "limits") and not key.endswith(("kbit_s", "packets_s")):
            continue
        if isinstance(kind, Number):
            text = str(int(kind.low if default == kind.high else kind.high))
        else:
            assert kind == Flag()
            text = str(not default).lower()
        changed = conference_settings(Sources(flags={key: text}).load())
        assert (changed == Settings()) == (key in ELSEWHERE), key


def test_units_and_places() -> None:
    flags = {
        "login.time_limit_s": "2.5",
        "login.logins_per_s": "3",
        "login.login_burst": "4",
        "limits.chat_per_s": "5",
        "limits.chat_burst": "6",
        "limits.messages_per_s": "7",
        "limits.message_burst": "8",
        "media.audio_kbit_s": "6.5",
        "media.audio_packets_s": "9.9",
        "media.screen_kbit_s": "50",
        "rooms.empty_close_s": "0",
        "rooms.joins_per_s": "9",
        "rooms.join_burst": "10",
    }
    made = conference_settings(Sources(flags=flags).load())
    assert made.login_timeout == 2.5
    assert made.login_rate == Rate(3, 4)
    assert made.join_rate == Rate(9, 10)
    assert made.rates[MessageClass.CHAT] == Rate(5, 6)
    assert made.total_rate == Rate(7, 8)
    assert made.caps[Source.MICROPHONE] == made.caps[Source.SCREEN_AUDIO] == Caps(6500, 9)
    assert made.caps[Source.SCREEN].bitrate == 50_000
    assert made.empty_room_lifetime == 0
