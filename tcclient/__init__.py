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
    from tcclient.trust.account_secret import (
        AccountSecret as AccountSecret,
    )
    from tcclient.audio.decoder import (
        Sound as Sound,
    )
    from tcclient.audio.frame import (
        FrameKind as FrameKind,
    )
    from tcclient.audio.gate import (
        GateMode as GateMode,
    )
    from tcclient.audio.jitter_statistics import (
        JitterStatistics as JitterStatistics,
    )
    from tcclient.audio.libopus import (
        OpusUnavailable as OpusUnavailable,
    )
    from tcclient.core.media.packet import (
        AudioPacket as AudioPacket,
        MediaPacket as MediaPacket,
        VideoPacket as VideoPacket,
    )
    from tcclient.core.path.proof import (
        PathState as PathState,
        Way as Way,
    )
    from tcclient.core.downlink.cause import (
        Cause as Cause,
        Limit as Limit,
    )
    from tcclient.core.downlink.data_meter import (
        DataUse as DataUse,
    )
    from tcclient.core.media.quality import (
        Advice as Advice,
    )
    from tcclient.core.rate.allocation import (
        SendingLimit as SendingLimit,
    )
    from tcclient.core.path.statistics import (
        DirectionStatistics as DirectionStatistics,
        NetworkStatistics as NetworkStatistics,
        PathStatistics as PathStatistics,
    )
    from tcclient.connector import (
        connect as connect,
    )
    from tcclient.errors import (
        ClientError as ClientError,
        ConnectError as ConnectError,
        DeviceError as DeviceError,
        DishonestServer as DishonestServer,
        JoinRefused as JoinRefused,
        LinkContradictsPin as LinkContradictsPin,
        LoginRefused as LoginRefused,
        MediaError as MediaError,
        MediaFileError as MediaFileError,
        NoReply as NoReply,
        RecordingError as RecordingError,
        RequestRefused as RequestRefused,
        RoomClosed as RoomClosed,
        ServerKeyError as ServerKeyError,
        SourceError as SourceError,
        UntrustedServer as UntrustedServer,
        WrongServer as WrongServer,
        WrongValue as WrongValue,
    )
    from tcclient.events import (
        ChatReceived as ChatReceived,
        Closed as Closed,
        CommitmentMismatch as CommitmentMismatch,
        ConnectionAdvice as ConnectionAdvice,
        ConnectionQuality as ConnectionQuality,
        DataCapReached as DataCapReached,
        HandChanged as HandChanged,
        MemberHeard as MemberHeard,
        MembershipAgreed as MembershipAgreed,
        MembershipMismatch as MembershipMismatch,
        MemberSilent as MemberSilent,
        MuteAsked as MuteAsked,
        NewDevice as NewDevice,
        ParticipantEvent as ParticipantEvent,
        ParticipantJoined as ParticipantJoined,
        ParticipantLeft as ParticipantLeft,
        ParticipantUpdated as ParticipantUpdated,
        PathChanged as PathChanged,
        PublicationFailed as PublicationFailed,
        PublicationHeld as PublicationHeld,
        Reconnected as Reconnected,
        Reconnecting as Reconnecting,
        RecordingFailed as RecordingFailed,
        RoomUpdated as RoomUpdated,
        SendingLimited as SendingLimited,
        SpeakersChanged as SpeakersChanged,
        TextMissing as TextMissing,
        TrackEvent as TrackEvent,
        TrackLimited as TrackLimited,
        TrackPublished as TrackPublished,
        TrackUnpublished as TrackUnpublished,
        TrackUpdated as TrackUpdated,
        TrustFault as TrustFault,
    )
    from tcclient.playout.listener import (
        Listener as Listener,
    )
    from tcclient.participant import (
        Participant as Participant,
    )
    from tcclient.publication import (
        Publication as Publication,
        SentStatistics as SentStatistics,
    )
    from tcclient.recording.recording import (
        RoomRecording as RoomRecording,
    )
    from tcclient.transport.retry import (
        Retry as Retry,
    )
    from tcclient.room import (
        Room as Room,
    )
    from tcclient.sources import (
        AudioSource as AudioSource,
        EncodedAudio as EncodedAudio,
        EncodedAudioSource as EncodedAudioSource,
        EncodedVideo as EncodedVideo,
        EncodedVideoSource as EncodedVideoSource,
        VideoLayer as VideoLayer,
        VideoSource as VideoSource,
        audio_file as audio_file,
        camera as camera,
        microphone as microphone,
        filtered as filtered,
        moving_bars as moving_bars,
        tone as tone,
        video_file as video_file,
    )
    from tcclient.track import (
        Track as Track,
        TrackStatistics as TrackStatistics,
    )
    from tcclient.trust.trust_file import (
        TrustFileError as TrustFileError,
    )
    from tcclient.video.codec import (
        VideoError as VideoError,
    )
    from tcproto.errors import (
        Action as Action,
        ErrorCode as ErrorCode,
    )
    from tcproto.link import (
        Link as Link,
    )
    from tcproto.messages import (
        ChatScope as ChatScope,
        CloseRoom as CloseRoom,
        Kick as Kick,
        Kind as Kind,
        LockRoom as LockRoom,
        LowerHand as LowerHand,
        MuteOther as MuteOther,
        Quality as Quality,
        RaiseHand as RaiseHand,
        Role as Role,
        RoomInfo as RoomInfo,
        SetAudioOnly as SetAudioOnly,
        SetRole as SetRole,
        Source as Source,
        StreamChoice as StreamChoice,
        UpdateRoom as UpdateRoom,
    )
    from tcproto.packet import (
        AudioHeader as AudioHeader,
        VideoHeader as VideoHeader,
    )

_PUBLIC = {
    "tcclient.trust.account_secret": ("AccountSecret",),
    "tcclient.audio.decoder": ("Sound",),
    "tcclient.audio.frame": ("FrameKind",),
    "tcclient.audio.gate": ("GateMode",),
    "tcclient.audio.jitter_statistics": ("JitterStatistics",),
    "tcclient.audio.libopus": ("OpusUnavailable",),
    "tcclient.core.media.packet": ("AudioPacket", "MediaPacket", "VideoPacket"),
    "tcclient.core.path.proof": ("PathState", "Way"),
    "tcclient.core.downlink.cause": ("Cause", "Limit"),
    "tcclient.core.downlink.data_meter": ("DataUse",),
    "tcclient.core.media.quality": ("Advice",),
    "tcclient.core.rate.allocation": ("SendingLimit",),
    "tcclient.core.path.statistics": ("DirectionStatistics", "NetworkStatistics", "PathStatistics"),
    "tcclient.connector": ("connect",),
    "tcclient.errors": (
        "ClientError",
        "ConnectError",
        "DeviceError",
        "DishonestServer",
        "JoinRefused",
        "LinkContradictsPin",
        "LoginRefused",
        "MediaError",
        "MediaFileError",
        "NoReply",
        "RecordingError",
        "RequestRefused",
        "RoomClosed",
        "ServerKeyError",
        "SourceError",
        "UntrustedServer",
        "WrongServer",
        "WrongValue",
    ),
    "tcclient.events": (
        "ChatReceived",
        "Closed",
        "CommitmentMismatch",
        "ConnectionAdvice",
        "ConnectionQuality",
        "DataCapReached",
        "HandChanged",
        "MemberHeard",
        "MemberSilent",
        "MuteAsked",
        "MembershipAgreed",
        "MembershipMismatch",
        "NewDevice",
        "ParticipantEvent",
        "ParticipantJoined",
        "ParticipantLeft",
        "ParticipantUpdated",
        "PathChanged",
        "PublicationFailed",
        "PublicationHeld",
        "Reconnected",
        "Reconnecting",
        "RecordingFailed",
        "RoomUpdated",
        "SendingLimited",
        "SpeakersChanged",
        "TextMissing",
        "TrackEvent",
        "TrackLimited",
        "TrackPublished",
        "TrackUnpublished",
        "TrackUpdated",
        "TrustFault",
    ),
    "tcclient.playout.listener": ("Listener",),
    "tcclient.participant": ("Participant",),
    "tcclient.publication": ("Publication", "SentStatistics"),
    "tcclient.recording.recording": ("RoomRecording",),
    "tcclient.transport.retry": ("Retry",),
    "tcclient.room": ("Room",),
    "tcclient.sources": (
        "AudioSource",
        "EncodedAudio",
        "EncodedAudioSource",
        "EncodedVideo",
        "EncodedVideoSource",
        "VideoLayer",
        "VideoSource",
        "audio_file",
        "camera",
        "microphone",
        "filtered",
        "moving_bars",
        "tone",
        "video_file",
    ),
    "tcclient.track": ("Track", "TrackStatistics"),
    "tcclient.trust.trust_file": ("TrustFileError",),
    "tcclient.video.codec": ("VideoError",),
    "tcproto.errors": ("Action", "ErrorCode"),
    "tcproto.link": ("Link",),
    "tcproto.messages": (
        "ChatScope",
        "CloseRoom",
        "Kick",
        "Kind",
        "LockRoom",
        "LowerHand",
        "MuteOther",
        "Quality",
        "RaiseHand",
        "Role",
        "RoomInfo",
        "SetAudioOnly",
        "SetRole",
        "Source",
        "StreamChoice",
        "UpdateRoom",
    ),
    "tcproto.packet": ("AudioHeader", "VideoHeader"),
}
_HOMES = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = tuple(sorted(_HOMES))


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that a program loads codecs and numpy only if it needs them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tcclient' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
