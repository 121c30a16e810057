"""Roles: what each may do, and on which others it may act."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tcproto.messages import ChatScope, Kind, Permission, Role, Source

NO_PERMISSION = Permission(0)
_OBSERVER = Permission.SUBSCRIBE
_LISTENER = _OBSERVER | Permission.CHAT_ROOM | Permission.CHAT_PRIVATE
_SPEAKER = _LISTENER | Permission.PUBLISH_AUDIO | Permission.PUBLISH_VIDEO | Permission.PUBLISH_SCREEN
_CHAIR = (
    _SPEAKER
    | Permission.KICK
    | Permission.SET_ROLE
    | Permission.UPDATE_ROOM
    | Permission.CLOSE_ROOM
    | Permission.MUTE_OTHERS
)

ROLE_PERMISSIONS: Mapping[Role, Permission] = MappingProxyType(
    {
        Role.ADMIN: _CHAIR | Permission.NOTICE,
        Role.CHAIR: _CHAIR,
        Role.SPEAKER: _SPEAKER,
        Role.LISTENER: _LISTENER,
        Role.OBSERVER: _OBSERVER,
        Role.RECORDER: _OBSERVER,
    }
)
"""What a role may do in a room that does not say otherwise."""

SOURCE_PERMISSION: Mapping[Source, Permission] = MappingProxyType(
    {
        Source.MICROPHONE: Permission.PUBLISH_AUDIO,
        Source.MICROPHONE_LOW: Permission.PUBLISH_AUDIO,
        Source.CAMERA: Permission.PUBLISH_VIDEO,
        Source.SCREEN: Permission.PUBLISH_SCREEN,
        Source.SCREEN_AUDIO: Permission.PUBLISH_SCREEN,
    }
)
"""Permissions that publishing from a source needs. Other sources cannot be published."""

SOURCE_KIND: Mapping[Source, Kind] = MappingProxyType(
    {
        Source.MICROPHONE: Kind.AUDIO,
        Source.MICROPHONE_LOW: Kind.AUDIO,
        Source.CAMERA: Kind.VIDEO,
        Source.SCREEN: Kind.VIDEO,
        Source.SCREEN_AUDIO: Kind.AUDIO,
    }
)
"""Kind of media that each source gives."""

SCOPE_PERMISSION: Mapping[ChatScope, Permission] = MappingProxyType(
    {
        ChatScope.ROOM: Permission.CHAT_ROOM,
        ChatScope.PARTICIPANT: Permission.CHAT_PRIVATE,
        ChatScope.SERVER: Permission.NOTICE,
    }
)
"""Permissions that a text to a scope needs."""

RANK: Mapping[Role, int] = MappingProxyType(
    {Role.ADMIN: 4, Role.CHAIR: 3, Role.SPEAKER: 1, Role.LISTENER: 0, Role.OBSERVER: 0, Role.RECORDER: 0}
)
"""Ranks of roles. Nobody acts on a higher rank, or gives a role of a higher rank than the own one."""
OPENER_RANK = 2
"""Rank of the first participant of a temporary room, who is its chair, and of the chairs whom this one names. It is
below the rank of chairs whom the operator or the room has named."""


def may_give(actor: Role, role: Role) -> bool:
    """Tell whether ``actor`` may give somebody ``role``."""
    return RANK[actor] >= RANK[role]
