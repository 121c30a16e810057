"""A client's session with a server, without input or output: connect, trust, log in, sit in a room.

The owner passes in what arrives (``receive_control``, ``receive_datagram``). It takes out what has to be sent
(``control_to_send``, ``datagrams_to_send``) and what has happened (``next_event``, ``media_received``), and calls
``handle_timeout`` at ``next_deadline``. ``now`` is monotonic, in seconds. A verb in the wrong phase raises ``Refusal``.
What the server refuses comes as an event. ``Closed`` is the last event of a connection, and so is ``Detached``, after
which the seat goes on, with datagrams in both directions. No more bytes are received until ``reconnect`` begins again
on another connection.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from tcclient.core import answers, events
from tcclient.core.control import Liveness
from tcclient.core.downlink.data_meter import DataMeter
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.drops import Drop
from tcclient.core.events import Event
from tcclient.core.joining import Joining
from tcclient.core.login import Login
from tcclient.core.media.packet import MediaPacket
from tcclient.core.media.repair import AUDIO_PATIENCE, RECORDING_PATIENCE
from tcclient.core.membership.distrust import Distrust
from tcclient.core.membership.lives import Lives
from tcclient.core.path.proof import Way
from tcclient.core.path.statistics import NetworkStatistics
from tcclient.core.phase import Phase
from tcclient.core.resumption import Resumption
from tcclient.core.seat import Seat
from tcclient.core.settings import Settings
from tcclient.core.texts import ShownTexts, notice
from tcclient.core.timers import NEVER, Timers
from tcproto import messages
from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.control import Event as ControlEvent
from tcproto.errors import CODES, Action, ErrorCode, ProtocolError, Refusal
from tcproto.identity import KEY_SIZE, SigningKey
from tcproto.messages import ChatScope
from tcproto.names import clean_display, fold_account
from tcproto.packet import Header


class Session:
    """See the module's text.

    ``device`` is the device identity; ``control`` the first connection, as ``control_connection`` makes it;
    ``random_bytes`` is like ``os.urandom``; ``lives``, those that it has been in, are the same for a whole process.
    """

    def __init__(
        self,
        settings: Settings,
        device: SigningKey,
        control: ControlConnection,
        random_bytes: Callable[[int], bytes],
        now: float,
        lives: Lives | None = None,
    ) -> None:
        self.drops: Counter[Drop] = Counter()
        """Datagrams and packets that were dropped, by reason."""
        self.data = DataMeter()
        """The data that the session takes, in all its seats."""
        self._settings = settings
        self._device = device
        self._random_bytes = random_bytes
        self._lives = Lives() if lives is None else lives
        self._events: deque[Event] = deque()
        self._shown = ShownTexts()
        self._timers = Timers()
        self._seat: Seat | None = None
        self._farewell: list[bytes] = []
        """Datagrams by which a seat is given up that is closed here."""
        self._sound_patience = AUDIO_PATIENCE
        self._resumption = Resumption(control)
        self._connect(control, settings.fingerprint, now)

    def _connect(self, control: ControlConnection, fingerprint: bytes | None, now: float) -> None:
        self.phase = Phase.CONNECTING
        self.ways: Sequence[Way] = (Way.UDP,)
        """The ways of datagrams on this connection. The owner sets them before the room is entered."""
        self._control = control
        self._liveness = Liveness(control, self._timers, self._lost)
        self._login = Login(fingerprint, self._device, control, self._events.append, self._random_bytes)
        self._joining: Joining | None = None
        self._liveness.watch(now, pings=False)

    @property
    def server_fingerprint(self) -> bytes:
        """The fingerprint of the key that the server proved, 20 bytes; empty before the handshake."""
        return self._login.fingerprint

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self.phase is Phase.CLOSED

    @property
    def login(self) -> Login:
        """The login, with what can be done with the account; raises ``Refusal`` before it."""
        if not Phase.LOBBY <= self.phase <= Phase.ROOM:
            raise Refusal(ErrorCode.BAD_REQUEST, "not possible before the login")
        return self._login

    @property
    def seated(self) -> bool:
        """Whether there is a seat."""
        return self._seat is not None

    @property
    def seat(self) -> Seat:
        """The seat in the room, with what can be done there; raises ``Refusal`` outside of one."""
        if self._seat is None:
            raise Refusal(ErrorCode.NOT_IN_ROOM)
        return self._seat

    @property
    def control_rtt(self) -> float | None:
        """Seconds of the last round trip on the control connection."""
        return self._liveness.rtt

    def network_statistics(self) -> NetworkStatistics:
        """Return how both directions of the path do; raises ``Refusal`` outside of a room."""
        path, down, meter = self.seat.path, self.seat.downlink.losses.direction(), self.seat.connections.meter
        measured = path.statistics
        up, down = measured.up._replace(score=meter.up), down._replace(score=meter.down)
        return NetworkStatistics(path.way, path.state, measured.rtt, measured.rtt_jitter, self.control_rtt, up, down)

    # What goes in and out

    def receive_control(self, data: bytes, now: float) -> None:
        """Take bytes from the control connection."""
        if self.phase >= Phase.DETACHED:
            return
        self._liveness.heard(now)
        self.data.read(len(data))
        self._control.receive_data(data)
        try:
            while (event := self._control.next_event()) is not None and self.phase < Phase.DETACHED:
                self._handle(event, now)
        except ProtocolError as error:
            self._control.close(error.code, error.detail)
            self._end(error.code, error.detail, CODES[error.code].action)
        except Distrust as distrust:
            self._end(distrust.code, str(distrust), Action.STOP, dishonest=True)
        if self._seat is not None:
            self._seat.settle(now)

    def receive_eof(self) -> None:
        """The control connection was lost."""
        self._end(None, "the connection was lost", Action.RECONNECT)

    def receive_datagram(self, data: bytes, now: float, way: Way = Way.UDP, waited: float | None = 0.0) -> None:
        """Take a datagram (see ``MediaReceiver.receive``); then ask ``media_received`` and what is to be sent."""
        (self.data.received if way is Way.UDP else self.data.read)(len(data))
        if self._seat is not None:
            self._seat.receive_datagram(data, now, way, waited)

    def control_to_send(self) -> bytes:
        """Return the bytes for the control connection, once. After ``Closed`` there may be a last message."""
        data = self._control.data_to_send()
        self.data.wrote(len(data))
        return data

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Return the datagrams for UDP, once, with a ping if one is due. Then ask ``stream_datagrams_to_send``."""
        if now >= self._timers.when("path"):
            self.handle_timeout(now)
        farewell, self._farewell = self._farewell, []
        datagrams = farewell if self._seat is None else self._seat.datagrams_to_send(now)
        for datagram in datagrams:
            self.data.sent(len(datagram))
        return datagrams

    def stream_datagrams_to_send(self, unsent: int, now: float) -> list[bytes]:
        """Return the datagrams for the stream, once, where ``unsent`` bytes of it have not left this machine."""
        datagrams = [] if self._seat is None else self._seat.uplink.take(unsent, now)
        for datagram in datagrams:
            self.data.wrote(len(datagram))
        return datagrams

    def next_event(self) -> Event | None:
        """Return the next event, None when there is none."""
        return self._events.popleft() if self._events else None

    def media_received(self) -> list[MediaPacket[Header]]:
        """Return the packets of others that came, in order, once. Called after each ``receive_*``."""
        return self._seat.downlink.media.take() if self._seat is not None else []

    def next_deadline(self) -> float | None:
        """Return when ``handle_timeout`` is due, None when never."""
        due = self._timers.next()
        return None if due == NEVER else due

    def handle_timeout(self, now: float) -> None:
        """Do what is due by ``now``."""
        self._timers.run(now)
        if self._seat is not None:
            self._seat.settle(now)

    def close(self) -> None:
        """End the session; the farewell is in ``control_to_send``, and in ``datagrams_to_send`` if there is UDP.

        A connection that is lost, or stands still, would tell nobody for up to 75 s that we have left.
        """
        if self._seat is not None and self._seat.path.way is Way.UDP:
            self._farewell = self._seat.egress.farewell()
        if Phase.TRUSTED <= self.phase < Phase.DETACHED:
            self._control.close(ErrorCode.LEAVING)
        self._end(ErrorCode.LEAVING, "closed here", Action.STOP)

    def reconnect(self, control: ControlConnection, now: float) -> None:
        """Begin again on another connection to the same server; raises ``Refusal`` before ``Closed`` or ``Detached``.

        With a seat ``resume`` is next, else the login. The session remembers the texts that it has shown, the lives of
        rooms that it has been in, and what it has dropped. So a text that the server sends again is not shown again.
        """
        if self.phase is not Phase.DETACHED:
            self.phase.require(Phase.CLOSED)
        before = self._login
        self._connect(control, before.fingerprint or self._settings.fingerprint, now)
        self._resumption.connected(control)
        if self._resumption.pending:
            self._login.follow(before)

    def hint_network_changed(self, now: float) -> None:
        """Look at once whether the connection and the path of datagrams still work."""
        self._liveness.probe(now)
        if self._seat is not None:
            self._seat.path.ask_position(now)

    # Verbs

    def begin_recording(self) -> None:
        """Ask for lost sound for as long as a recording can wait for it, in this seat and all that follow."""
        self._sound_patience = RECORDING_PATIENCE
        if self._seat is not None:
            self._seat.downlink.losses.sound_patience = RECORDING_PATIENCE

    def trust_server(self, now: float) -> None:
        """Accept the key of ``ServerKey``."""
        self.phase.require(Phase.UNTRUSTED)
        self._trusted(now)

    def begin_login(self, account: str, name: str) -> None:
        """Log in with an account, under the display name ``name``; ``DeriveKey`` or ``LoginFailed`` follows.

        A seat that might be resumed is given up. Raises ``ValueError`` for a name that is not allowed.
        """
        self.phase.require(Phase.TRUSTED)
        if self._resumption.pending:
            self._give_up()
        self._login.begin(fold_account(account), clean_display(name))
        self.phase = Phase.LOGGING_IN

    def resume(self) -> None:
        """Take up the seat again; ``Resumed``, ``ResumeFailed``, ``Evicted`` or ``Detached`` follows."""
        self.phase.require(Phase.TRUSTED)
        self._resumption.request(self._login)
        self.phase = Phase.LOGGING_IN

    def account_key_derived(self, key: SigningKey) -> None:
        """Answer ``DeriveKey``; ``LoggedIn`` or ``LoginFailed`` follows."""
        self.phase.require(Phase.LOGGING_IN)
        self._login.account_key_derived(key)

    def join(self, room: str, unix_ms: int, *, e2ee: bool = True, require_e2ee: bool = True) -> None:
        """Enter a room; ``Joined`` or ``JoinFailed`` follows.

        ``e2ee`` is the mode of the room, as the link tells it. ``unix_ms`` is the wall clock, which the member
        signature covers. Raises ``Refusal`` for a room without end-to-end encryption where that is required, and
        ``ValueError`` for a name that no room can have.
        """
        self.phase.require(Phase.LOBBY)
        if require_e2ee and not e2ee:
            raise Refusal(ErrorCode.MODE_MISMATCH, "end-to-end encryption is required, and off in this room")
        private = self._random_bytes(KEY_SIZE)
        self._joining = Joining(room, e2ee, private, unix_ms, self._login, self._device, self._control)
        self.phase = Phase.JOINING

    def leave(self) -> None:
        """Give the seat up; ``Left`` follows at once."""
        self.phase.require(Phase.ROOM)
        self._control.ask(messages.Leave())
        self._stand_up()
        self._events.append(events.Left())

    # What the server says

    def _handle(self, event: ControlEvent, now: float) -> None:
        if isinstance(event, Received):
            self._received(event.message, event.request_id, now)
        elif isinstance(event, Replied):
            if isinstance(event.reply, messages.Error):
                self._refused(event.request, event.reply, event.request_id, now)
            else:
                self._replied(event.request, event.reply, event.request_id, now)
        elif isinstance(event, HandshakeCompleted):
            self.phase = Phase.UNTRUSTED
            self._liveness.pause()
            if self._login.handshake_completed(event):
                self._trusted(now)

    def _received(self, message: Any, request_id: int, now: float) -> None:
        if isinstance(message, messages.Ping):
            if self.phase >= Phase.TRUSTED and self._liveness.may_answer(now):
                self._control.reply(request_id, messages.Pong(message.time))
        elif isinstance(message, messages.Close):
            self._end(message.code, message.text, message.action, message.retry_after_ms)
        elif isinstance(message, messages.ChatMessage) and self._seat is None:
            if message.scope is ChatScope.SERVER:
                self._events.append(notice(message))
        elif isinstance(message, messages.Evicted):
            if self._seat is not None:
                self._stand_up()
                self._events.append(events.Evicted(message.code, message.text))
        elif self._seat is not None:
            self._seat.handle_message(message, now)

    def _replied(self, request: Any, reply: Any, request_id: int, now: float) -> None:
        match reply:
            case messages.Pong():
                self._liveness.answered(request, now)
            case messages.LoginChallenge():
                self._login.challenged(reply)
            case messages.Welcome():
                self.phase = Phase.LOBBY
                self._login.welcomed(reply)
                self._resumption.token = reply.resume_token
            case messages.Resumed():
                self._resumed(reply, now)
            case messages.Room():
                self._opened(reply.room)
            case messages.Joined():
                self._joined(reply)
            case _:
                if isinstance(request, messages.ChangePassword):
                    self._login.password_changed(request)
                self._tell(answers.accepted(self._seat, request, reply, request_id, now))

    def _refused(self, request: Any, error: messages.Error, request_id: int, now: float) -> None:
        match request:
            case messages.Resume():
                self._resume_refused(error)
            case messages.LoginBegin() | messages.Login():
                self.phase = Phase.TRUSTED
                self._events.append(events.LoginFailed(error.code, error.text, error.action, error.retry_after_ms))
            case messages.OpenRoom() | messages.Join():
                self._join_failed(error.code, error.text, error.retry_after_ms)
            case _:
                self._tell(answers.refused(self._seat, request, error, request_id, now))

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self._events.append(event)

    def _resumed(self, resumed: messages.Resumed, now: float) -> None:
        seat = self._seat
        assert seat is not None
        if not self._resumption.is_whole(resumed, seat.joined.participant):
            self._give_up()
            self._end(None, "too much was said while the connection was lost", Action.RECONNECT)
            return
        self.phase = Phase.ROOM
        self._resumption.resumed(resumed, self._control)
        seat.resumed(resumed, now)
        self._events.append(events.Resumed())

    def _resume_refused(self, error: messages.Error) -> None:
        if error.code is ErrorCode.RATE_LIMITED:  # the seat is kept: come back later
            self._end(error.code, error.text, Action.RECONNECT, error.retry_after_ms)
            return
        self._give_up()
        if error.code is not ErrorCode.CANNOT_RESUME and CODES[error.code].action is Action.STOP:
            self._events.append(events.Evicted(error.code, error.text))
        else:
            self._events.append(events.ResumeFailed(error.code, error.text))

    def _opened(self, room: messages.RoomInfo) -> None:
        assert self._joining is not None
        try:
            self._joining.opened(room, self._lives)
        except Refusal as refusal:
            self._join_failed(refusal.code, refusal.text)

    def _joined(self, joined: messages.Joined) -> None:
        assert self._joining is not None
        assert self._login.welcome is not None
        place, self._joining = self._joining.place, None
        assert place is not None
        self._seat = Seat(
            joined,
            place,
            self._resumption.line,
            self._events.append,
            self._random_bytes,
            self.drops,
            self._shown,
            self._login.welcome.limits,
            self._timers,
            self.ways,
            self.data,
        )
        self.phase = Phase.ROOM
        self._seat.path.control_rtt = self._liveness.rtt
        self._seat.downlink.losses.sound_patience = self._sound_patience
        self._seat.downlink.wish(Wishes(self._settings.sources, voices=self._settings.voices))

    def _join_failed(self, code: ErrorCode, text: str, retry_after_ms: int = 0) -> None:
        self.phase, self._joining = Phase.LOBBY, None
        self._events.append(events.JoinFailed(code, text, retry_after_ms))

    def _trusted(self, now: float) -> None:
        self.phase = Phase.TRUSTED
        self._liveness.watch(now, pings=True)

    def _lost(self) -> None:
        self._end(ErrorCode.IDLE_TIMEOUT, CODES[ErrorCode.IDLE_TIMEOUT].text, Action.RESUME)

    def _stand_up(self) -> None:
        self._seat, self.phase = None, Phase.LOBBY
        self._resumption.forget()
        self._timers.cancel_all(but=Liveness.KEY)

    def _give_up(self) -> None:
        """Forget the seat that was to be resumed on this connection."""
        self._stand_up()
        self.phase = Phase.TRUSTED
        self._resumption.connected(self._control)

    def _end(
        self, code: ErrorCode | None, text: str, action: Action, retry_after_ms: int = 0, *, dishonest: bool = False
    ) -> None:
        if self.phase is Phase.CLOSED or (self.phase is Phase.DETACHED and action is not Action.STOP):
            return
        if self._seat is not None and self._resumption.is_possible(code, action):
            self.phase = Phase.DETACHED
            self._resumption.lost()
            self._liveness.pause()
            self._events.append(events.Detached(code, text, retry_after_ms))
            return
        self.phase, self._seat = Phase.CLOSED, None
        self._resumption.forget()
        self._timers.cancel_all()
        self._events.append(events.Closed(code, text, action, retry_after_ms, dishonest))
