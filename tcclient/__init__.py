"""The reference client: the library that people embed, and its command line.

::

    async with tcclient.connect(link, user="dinkes", password=password, name="Kepala Dinas") as room:
        await room.publish(tcclient.audio_file("speech.wav"))
        async for event in room.events():
            ...

See ``GUIDE.md`` beside this file; what happens in a room is in ``tcclient.events``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcclient.account_secret import (
        AccountSecret as AccountSecret,
    )
    from tcclient.entry import (
        connect as connect,
    )
    from tcclient.errors import (
        ClientError as ClientError,
    )
    from tcclient.errors import (
        ConnectError as ConnectError,
    )
    from tcclient.errors import (
        JoinRefused as JoinRefused,
    )
    from tcclient.errors import (
        LinkContradictsPin as LinkContradictsPin,
    )
    from tcclient.errors import (
        LoginRefused as LoginRefused,
    )
    from tcclient.errors import (
        RequestRefused as RequestRefused,
    )
    from tcclient.errors import (
        RoomClosed as RoomClosed,
    )
    from tcclient.errors import (
        ServerKeyError as ServerKeyError,
    )
    from tcclient.errors import (
        UntrustedServer as UntrustedServer,
    )
    from tcclient.errors import (
        WrongServer as WrongServer,
    )
    from tcclient.listener import (
        Listener as Listener,
    )
    from tcclient.media.errors import (
        DeviceError as DeviceError,
    )
    from tcclient.media.errors import (
        MediaError as MediaError,
    )
    from tcclient.media.errors import (
        MediaFileError as MediaFileError,
    )
    from tcclient.media.errors import (
        RecordingError as RecordingError,
    )
    from tcclient.media.errors import (
        SourceError as SourceError,
    )
    from tcclient.participant import (
        Participant as Participant,
    )
    from tcclient.publication import (
        Publication as Publication,
    )
    from tcclient.room import (
        Room as Room,
    )
    from tcclient.sources import (
        AudioSource as AudioSource,
    )
    from tcclient.sources import (
        EncodedAudio as EncodedAudio,
    )
    from tcclient.sources import (
        EncodedAudioSource as EncodedAudioSource,
    )
    from tcclient.sources import (
        EncodedVideo as EncodedVideo,
    )
    from tcclient.sources import (
        EncodedVideoSource as EncodedVideoSource,
    )
    from tcclient.sources import (
        VideoSource as VideoSource,
    )
    from tcclient.sources import (
        audio_file as audio_file,
    )
    from tcclient.sources import (
        camera as camera,
    )
    from tcclient.sources import (
        microphone as microphone,
    )
    from tcclient.sources import (
        moving_bars as moving_bars,
    )
    from tcclient.sources import (
        tone as tone,
    )
    from tcclient.sources import (
        video_file as video_file,
    )
    from tcclient.track import (
        AudioFrame as AudioFrame,
    )
    from tcclient.track import (
        Track as Track,
    )
    from tcclient.trust_file import (
        TrustFileError as TrustFileError,
    )

_PUBLIC = {
    "account_secret": ("AccountSecret",),
    "entry": ("connect",),
    "errors": (
        "ClientError",
        "ConnectError",
        "JoinRefused",
        "LinkContradictsPin",
        "LoginRefused",
        "RequestRefused",
        "RoomClosed",
        "ServerKeyError",
        "UntrustedServer",
        "WrongServer",
    ),
    "listener": ("Listener",),
    "media.errors": ("DeviceError", "MediaError", "MediaFileError", "RecordingError", "SourceError"),
    "participant": ("Participant",),
    "publication": ("Publication",),
    "room": ("Room",),
    "sources": (
        "AudioSource",
        "EncodedAudio",
        "EncodedAudioSource",
        "EncodedVideo",
        "EncodedVideoSource",
        "VideoSource",
        "audio_file",
        "camera",
        "microphone",
        "moving_bars",
        "tone",
        "video_file",
    ),
    "track": ("AudioFrame", "Track"),
    "trust_file": ("TrustFileError",),
}
_HOMES = {name: module for module, names in _PUBLIC.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: codecs and numpy are loaded only by those who need them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tcclient' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tcclient.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
