"""Clients that speak to a conference, and check the messages that they get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tcproto import messages as m
from tcproto.account import sign_account_login, sign_device_login
from tcproto.identity import SigningKey
from tcproto.membership import MemberStatement
from tcproto.messages import State
from tcproto.names import fold_room
from tcproto.resumption import is_counted
from tcserver.conference import Conference, Effect, Settings
from tcserver.conference.login.authenticator import ANSWER_GRID
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tests.support.conference.identities import SERVER, account_key
from tests.support.conference.view import View

CHALLENGE_WAIT = Settings().challenge_delay + ANSWER_GRID
"""Seconds in which a challenge has come."""


class Shell(Protocol):
    """Brings a client's messages to a conference, and lets time pass."""

    conference: Conference
    now: float
    numbers: Iterator[int]
    clients: dict[int, Client | LostConnection]

    def receive(self, client: Client, message: object, request_id: int, size: int = ...) -> None: ...

    def apply(self, effects: list[Effect]) -> None: ...

    def advance(self, seconds: float) -> None: ...


class LostConnection:
    """The end of a connection that hears nothing any more."""

    welcome = view = None

    def __init__(self) -> None:
        self.is_gone = False

    def take(self, _message: object, _request_id: int) -> None:
        """What is sent here is lost."""


class Client:
    """A client and its connection."""

    def __init__(self, driver: Shell, account: str, name: str, device: int, address: str) -> None:
        self.driver = driver
        self.account = account
        self.name = name
        self.device = SigningKey(device.to_bytes(32, "big"))
        self.address = address
        self.connection = next(driver.numbers)
        self.handshake_hash = self.connection.to_bytes(64, "big")
        self.requests = 0
        self.open: dict[int, object] = {}
        """Requests that wait for a reply."""
        self.replies: dict[int, object] = {}
        self.inbox: list[object] = []
        self.closed: m.Close | None = None
        self.is_gone = False
        self.is_logged_in = False
        """Whether there is a session on this connection."""
        self.welcome: m.Welcome | None = None
        self.resumed: m.Resumed | None = None
        """The reply to the last resumption."""
        self.last_event = 0
        """Counted messages that came since the welcome."""
        self.sent = 0
        """Counted messages that were sent since then."""
        self.view: View | None = None
        self.numbers = 0

    # Speaking

    def ask(self, message: object) -> object:
        """Send a request. Return the reply if it came at once, else None."""
        request_id = self.send(message)
        if isinstance(message, m.LoginBegin) and request_id not in self.replies:
            self.driver.advance(CHALLENGE_WAIT)
        return self.replies.get(request_id)

    def send(self, message: object) -> int:
        self.requests += 1
        self.open[self.requests] = message
        number = self.requests
        self.count_sent(message)
        self.driver.receive(self, message, number)
        return number

    def count_sent(self, message: object) -> None:
        self.sent += self.is_logged_in and is_counted(message)

    def send_raw(self, message: object, size: int) -> object:
        """Send a request of so many bytes, of a kind that has no class. Return the reply, if there was one."""
        self.requests += 1
        self.open[self.requests] = m.Ping(0)
        self.driver.receive(self, message, self.requests, size)
        return self.replies.get(self.requests)

    def tell(self, message: object) -> None:
        self.count_sent(message)
        self.driver.receive(self, message, 0)

    def connect(self) -> Client:
        self.driver.apply(self.driver.conference.connected(self.connection, self.address, self.driver.now))
        self.driver.apply(self.driver.conference.handshake_done(self.connection, self.handshake_hash, self.driver.now))
        return self

    def drop(self) -> None:
        """Break the connection."""
        self.is_gone = True
        self.driver.apply(self.driver.conference.disconnected(self.connection, self.driver.now))

    def lose(self) -> None:
        """Hear and say nothing more on this connection, which the server takes for alive."""
        self.driver.clients[self.connection] = LostConnection()

    def reconnect(self) -> Client:
        """Connect again, without a login."""
        driver = self.driver
        self.lose()
        self.connection = next(driver.numbers)
        self.handshake_hash = self.connection.to_bytes(64, "big")
        self.is_gone = self.is_logged_in = False
        driver.clients[self.connection] = self
        return self.connect()

    @property
    def token(self) -> bytes:
        assert self.welcome is not None
        return self.welcome.resume_token if self.resumed is None else self.resumed.resume_token

    def resume_message(self, *, token: bytes = b"", device: SigningKey | None = None) -> m.Resume:
        device = device or self.device
        signature = sign_device_login(device, self.handshake_hash, self.account)
        return m.Resume(token or self.token, device.public, signature, self.last_event)

    def come_back(self) -> object:
        """Resume the session on another connection. Return the reply."""
        return self.reconnect().ask(self.resume_message())

    def login_message(self, *, key: SigningKey | None = None, account: str = "", name: str | None = None) -> m.Login:
        account = account or self.account
        key = key or account_key(account)
        return m.Login(
            account=account,
            name=self.name if name is None else name,
            device_key=self.device.public,
            account_signature=sign_account_login(key, self.handshake_hash, self.device.public, account),
            device_signature=sign_device_login(self.device, self.handshake_hash, account),
        )

    def log_in(self) -> object:
        self.ask(m.LoginBegin(self.account))
        return self.ask(self.login_message())

    def join_message(self, room: str, life: bytes, *, name: str | None = None, box_key: bytes = b"") -> m.Join:
        box_key = box_key or self.connection.to_bytes(32, "big")
        shown = self.name if name is None else name
        statement = MemberStatement(SERVER.fingerprint, life, fold_room(room), self.account, shown, box_key, 7)
        return m.Join(room, life, box_key, 7, self.device.sign(statement.text()))

    def enter(self, room: str = "room", *, e2ee: bool = True) -> object:
        opened = self.ask(m.OpenRoom(room, e2ee))
        if not isinstance(opened, m.Room):
            return opened
        return self.ask(self.join_message(room, opened.room.life))

    def announce(self, source: m.Source = m.Source.MICROPHONE, **values: object) -> int:
        """Request a publication, and return the request."""
        self.numbers += 1
        kind = m.Kind.AUDIO if source in (m.Source.MICROPHONE, m.Source.MICROPHONE_LOW) else m.Kind.VIDEO
        return self.send(m.Publish(self.numbers, kind, source, "codec", **values))

    def publish(self, source: m.Source = m.Source.MICROPHONE, **values: object) -> object:
        """Publish, and wait for the reply, which may come with the next batch of changes."""
        request_id = self.announce(source, **values)
        if request_id not in self.replies:
            self.driver.advance(BATCH_INTERVAL)
        return self.replies[request_id]

    def subscribe(self, *sources: m.Source, choices: tuple[m.StreamChoice, ...] = (), generation: int = 1) -> object:
        return self.ask(m.Subscribe(generation, sources, choices))

    # What arrived

    @property
    def participant(self) -> int:
        assert self.view is not None
        return self.view.joined.participant

    @property
    def media_id(self) -> int:
        assert self.view is not None
        return self.view.media_id

    def got(self, kind: type) -> list:
        """Return the notifications of a kind since the last call; others are kept."""
        found = [message for message in self.inbox if isinstance(message, kind)]
        self.inbox = [message for message in self.inbox if not isinstance(message, kind)]
        return found

    def take(self, message: object, request_id: int) -> None:
        row = m.row_of(type(message))
        self.last_event += self.is_logged_in and is_counted(message)
        if row.reply:
            request = self.open.pop(request_id)
            assert isinstance(message, (m.Error, m.row_of(type(request)).answer))
            self.replies[request_id] = message
            self._take_reply(request, message)
            return
        assert row.states & self.state, f"{message} in {self.state}"
        match message:
            case m.Ping():
                return
            case m.Close():
                self.closed = message
            case m.Snapshot():
                self.view.take_page(message)
            case m.RoomChanges():
                self.view.take_changes(message)
            case m.MediaMove():
                self.view.media_id = message.media_id
            case m.NewRoomKey():
                self.view.sealers.add(message.room_key.sealer)
            case m.SealerClosed():
                self.view.sealers.remove(message.sealer)
            case m.Evicted():
                self.view = None
        self.inbox.append(message)

    def _take_reply(self, request: object, reply: object) -> None:
        match reply:
            case m.Welcome():
                self.welcome, self.is_logged_in = reply, True
            case m.Resumed():
                self.resumed, self.view.media_id, self.is_logged_in = reply, reply.media_id, True
            case m.Joined():
                assert self.view is None
                self.view = View(reply, reply.media_id, {key.sealer for key in reply.room_keys})
        if isinstance(request, m.Leave) and isinstance(reply, m.Ok):
            self.view = None

    @property
    def state(self) -> State:
        if self.welcome is None:
            return State.LOGIN
        return State.LOBBY if self.view is None else State.ROOM
