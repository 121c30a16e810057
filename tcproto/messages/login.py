"""Messages of the handshake, of the login, and of any state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tcproto.errors import Action, ErrorCode
from tcproto.fields import Exactly, Items
from tcproto.messages.registry import Sender, State, message
from tcproto.messages.types import (
    U8,
    U16,
    U32,
    U64,
    AccountName,
    DisplayName,
    Explanation,
    Key,
    Limits,
    Signature,
    Token,
    Word,
)

Versions = Annotated[tuple[U16, ...], Items(16)]
Features = Annotated[tuple[Word, ...], Items(32)]


@dataclass(frozen=True, slots=True)
class ClientHello:
    """Payload of the first handshake message. It is in clear; the handshake hash covers it."""

    versions: Versions
    features: Features = ()
    software: Word = ""


@dataclass(frozen=True, slots=True)
class ServerHello:
    """Payload of the second handshake message. ``version`` is 0 where the server speaks none of the client's."""

    version: U16
    versions: Versions
    features: Features = ()
    software: Word = ""


@message("ok", Sender.SERVER, reply=True)
class Ok:
    """The request was carried out."""


@message("error", Sender.SERVER, reply=True)
class Error:
    """The request was refused."""

    code: ErrorCode
    text: Explanation
    action: Action
    retry_after_ms: U32 = 0


@message("close", Sender.BOTH, states=State.ANY)
class Close:
    """The last message of a connection: why it ends, and what the receiver should do."""

    code: ErrorCode
    text: Explanation
    action: Action
    retry_after_ms: U32 = 0


@message("pong", Sender.BOTH, reply=True)
class Pong:
    """Answers a ping at once."""

    time: U64
    """Copied from the ping."""


@message("ping", Sender.BOTH, states=State.ANY, answer=Pong)
class Ping:
    """Asks for a pong."""

    time: U64
    """Any number. The sender finds the round trip by it."""


@message("probe_ticket", Sender.SERVER, reply=True)
class ProbeTicket:
    """A key with which a client may test UDP before the login."""

    media_id: U32
    key: Key
    """Seals both directions. The kinds of datagrams differ, and so do the nonces."""
    lifetime_ms: U16
    datagrams: U8


@message("probe", Sender.CLIENT, states=State.LOGIN, answer=ProbeTicket)
class Probe:
    """Asks for a probe ticket, once on a connection."""


@message("login_challenge", Sender.SERVER, reply=True)
class LoginChallenge:
    """How to derive the account key. For an unknown name it is made up, and always the same."""

    salt: Annotated[bytes, Exactly(16)]
    memory_kib: U32
    passes: U8
    account: AccountName
    """The folded name. The key is derived with it, and it is signed."""


@message("login_begin", Sender.CLIENT, states=State.LOGIN, answer=LoginChallenge)
class LoginBegin:
    """Names the account, typed or folded."""

    account: AccountName


@message("welcome", Sender.SERVER, reply=True)
class Welcome:
    """The login succeeded."""

    session: U32
    account: AccountName
    agency: DisplayName
    name: DisplayName
    resume_token: Token
    limits: Limits


@message("login", Sender.CLIENT, states=State.LOGIN, answer=Welcome)
class Login:
    """Proves the account and the device. The client must have asked for the challenge on this connection."""

    account: AccountName
    name: DisplayName
    device_key: Key
    account_signature: Signature
    device_signature: Signature


@message("change_password", Sender.CLIENT, states=State.LOBBY | State.ROOM, answer=Ok)
class ChangePassword:
    """Gives the own account another password. The old account key signs; the session goes on, all others end."""

    salt: Annotated[bytes, Exactly(16)]
    """Random."""
    memory_kib: U32
    passes: U8
    public_key: Key
    """Public key of the new account key."""
    signature: Signature
    """"account change" by the account key of the old password."""


@message("resumed", Sender.SERVER, reply=True)
class Resumed:
    """The seat goes on, with new session keys under a raised epoch. What the client missed follows, then a snapshot."""

    participant: U32
    media_id: U32
    epoch: U8
    up_key: Key
    down_key: Key
    resume_token: Token
    """For the next time. The one that was used is good until the client says something."""
    number: U64
    """Number of the client's newest counted message that came. The client sends those after it again."""


@message("resume", Sender.CLIENT, states=State.LOGIN, answer=Resumed)
class Resume:
    """Takes a seat again after the connection was lost."""

    token: Token
    device_key: Key
    device_signature: Signature
    """"device login" with the handshake hash of this connection."""
    last_event: U64
    """Number of the server's newest counted message that came. The server sends those after it again."""
