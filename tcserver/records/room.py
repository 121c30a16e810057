"""Rooms: what is stored of a permanent one, and held in memory of a temporary one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Any

from tcproto.messages import Permission, Role, UpdateRoom
from tcproto.names import clean_display, fold_account, fold_room
from tcserver.records.account import ASSIGNED, ROLE, Account
from tcserver.records.declaration import Declaration, Opposite, checked, columns_of
from tcserver.records.kinds import ByKey, Flag, Maybe, Name, NotAllowed, Whole

DEFAULT_MAX_PARTICIPANTS = 100
"""Participants of a room that sets no other number."""
MAX_PARTICIPANTS_CEILING = 1000
"""Participants that a room may be set to hold."""
MAX_PERMISSIONS = (1 << 16) - 1
"""All permission bits that a role may map to: the wire has 16 of them."""
RIGHTS: Mapping[str, Permission] = MappingProxyType(
    {
        "hear": Permission.SUBSCRIBE,
        "voice": Permission.PUBLISH_AUDIO,
        "camera": Permission.PUBLISH_VIDEO,
        "screen": Permission.PUBLISH_SCREEN,
        "chat": Permission.CHAT_ROOM,
        "private": Permission.CHAT_PRIVATE,
        "notice": Permission.NOTICE,
        "remove": Permission.KICK,
        "roles": Permission.SET_ROLE,
        "room": Permission.UPDATE_ROOM,
        "close": Permission.CLOSE_ROOM,
        "mute": Permission.MUTE_OTHERS,
    }
)
"""The permissions by the words that an operator has for them."""


class Rights(Whole):
    """Permission bits."""

    def shown(self, value: Any) -> str:
        """As in ``hear,chat``; ``nothing`` where no bit is set."""
        return ",".join(word for word, permission in RIGHTS.items() if permission & value) or "nothing"


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A room. One that is temporary has a record too, which no database sees."""

    name: Annotated[str, Declaration(Name(fold_room))]
    """Folded."""
    title: Annotated[
        str,
        Declaration(Name(clean_display, may_be_empty=True), "what people see (default: the name)", by_chair=True),
    ]
    """What is shown; the name as it was typed."""
    e2ee: Annotated[
        bool,
        Declaration(
            Flag("end-to-end", "to the server"),
            "with end-to-end encryption (the default)",
            opposite=Opposite("--no-e2ee", "without end-to-end encryption: the server can hear everything"),
            heading="encryption",
        ),
    ] = True
    """Whether media are end-to-end encrypted; fixed for each life of the room."""
    max_participants: Annotated[
        int,
        Declaration(
            Whole(1, MAX_PARTICIPANTS_CEILING), "how many participants fit in", heading="participants", by_chair=True
        ),
    ] = DEFAULT_MAX_PARTICIPANTS
    loudest: Annotated[
        int | None,
        Declaration(
            Maybe(Whole(0, MAX_PARTICIPANTS_CEILING), "default"),
            "loudest talkers that are forwarded while more than 8 participants are in; 0: all; default: rooms.loudest",
            since=2,
        ),
    ] = None
    """Loudest talkers that are forwarded while the room is large. 0: all; ``None``: as many as in other rooms."""
    default_role: Annotated[Role, Declaration(ROLE, "role of everybody who has no other", heading="default")] = (
        Role.SPEAKER
    )
    """Role of a participant who has none from the room and none from the account."""
    roles: Annotated[Mapping[str, Role], Declaration(ByKey(Name(fold_account), ROLE), is_column=False)] = field(
        default_factory=dict
    )
    """Roles by account name. They come before the role of the account."""
    permissions: Annotated[
        Mapping[Role, int], Declaration(ByKey(ROLE, Rights(0, MAX_PERMISSIONS)), heading="rights")
    ] = field(default_factory=dict)
    """Permission bits by role, in place of those that the role has in other rooms."""
    invited_only: Annotated[
        bool,
        Declaration(
            Flag("invited", "everybody"),
            "only accounts that `room role` names, and administrators, may enter",
            since=4,
            opposite=Opposite("--everybody", "every account may enter (the default)"),
            heading="entry",
        ),
    ] = False
    """Whether a role in ``roles`` is the invitation that an account needs."""
    quiet_entry: Annotated[
        bool,
        Declaration(
            Flag("muted", "open"),
            "microphones are held muted at the entry, until a chair lets them; not those of chairs",
            since=6,
            opposite=Opposite("--open-entry", "microphones are open at the entry (the default)"),
            heading="microphones",
        ),
    ] = False
    """Whether who enters may not speak before a participant who leads the room ends the hold."""
    id: Annotated[int, ASSIGNED] = 0
    """Never used twice; 0 until the room is stored."""

    def invites(self, account: Account) -> bool:
        """Tell whether an account may enter."""
        return not self.invited_only or account.name in self.roles or account.role is Role.ADMIN

    def checked(self) -> RoomRecord:
        """This room with its names folded and cleaned. Raises ``ValueError`` with the reason."""
        return checked(replace(self, title=self.title or self.name))


BY_CHAIR = {column.name: column.kind for column in columns_of(RoomRecord) if column.field.known.by_chair}
"""Kinds of the fields that a chair may change in a meeting, by name: the fields of ``update_room``."""


def changes_of(message: UpdateRoom) -> dict[str, Any]:
    """Return the fields that a chair wants to change, as they are kept. Raises ``ValueError`` with the reason."""
    wanted = {name: value for name in BY_CHAIR if (value := getattr(message, name)) is not None}
    for name, value in wanted.items():
        try:
            wanted[name] = BY_CHAIR[name].checked(value)
        except NotAllowed as error:
            raise ValueError(f"{name} {error}") from None
    return wanted
