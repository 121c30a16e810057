"""A client in virtual time: a session with its network and its clock, and its user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tcclient.core import MediaPacket, PathState, Phase, Session, Settings, Way, control_connection, events
from tcproto.datagram import Kind as DatagramKind
from tcproto.datagram import parse_header
from tcproto.errors import Action
from tcproto.identity import SigningKey
from tcproto.messages import Kind, Source
from tcproto.packet import AudioHeader, Header
from tcserver.media.interface import STREAM_HOST
from tests.support.simulation.clock import HostClock, Timer
from tests.support.simulation.network import Conditions, Pipe, Stream
from tests.support.simulation.processor import Processor
from tests.support.simulation.server import ACCOUNT_KEY
from tests.support.simulation.surroundings import Surroundings

RETURN_WAIT = 0.2
"""Seconds between a loss and the next attempt."""
FRAME = 0.02
"""Seconds of sound in a packet."""


class Heard(NamedTuple):
    """A packet that a client delivered."""

    at: float
    """Virtual time."""
    speaker: str
    packet: MediaPacket[Header]


class Client:
    """A user with a device on a network. Made by ``World.client``.

    The session talks to the server as the shell lets it. In the room a microphone is published, unless ``microphone``
    is false.
    """

    def __init__(
        self,
        world: Surroundings,
        name: str,
        *,
        address: tuple[str, int],
        conditions: Conditions,
        down: Conditions | None = None,
        tcp_delay: float | None = None,
        account: str = "agency",
        room: str = "room",
        e2ee: bool = True,
        microphone: bool = True,
        low_rate: bool = False,
        muted: bool = False,
        sources: tuple[Source, ...] = (Source.MICROPHONE, Source.CAMERA, Source.SCREEN),
        offset: float = 0.0,
        drift: float = 0.0,
        ways: tuple[Way, ...] = (Way.UDP,),
        returns: bool = False,
    ) -> None:
        self.world = world
        self.name = name
        self.address = address
        self.account = account
        self.room_name = room
        self.e2ee = e2ee
        self.has_microphone = microphone
        self.has_low_rate = low_rate
        self.starts_muted = muted
        self.clock = HostClock(world.clock, offset, drift)
        self.device = SigningKey(world.rng.randbytes(32))
        self.events: list[events.Event] = []
        self.heard: list[Heard] = []
        self.microphone = 0
        """Number of the publication."""
        self.unsent = 0
        """Frames that could not be sent."""
        self.spoken: list[bytes] = []
        """Payloads that were sent."""
        self.spoken_low: list[bytes] = []
        """Those of the low rate."""
        self.ways = ways
        """With the stream among them, datagrams may travel beside TCP, whole and in order."""
        self.stream_unsent = 0
        """Bytes that the stream has not taken: 4,000 stop it."""
        self.room_losses: set[bytes] = set()
        """Room datagrams that the path down lost, once or more often."""
        self.returns = returns
        """Whether to connect again after a loss, until that succeeds."""
        self.session: Session
        self._settings = Settings(fingerprint=world.server.identity.fingerprint, sources=sources)
        self._tcp_delay = conditions.delay if tcp_delay is None else tcp_delay
        self._delivered: set[tuple[int, int, int, int]] = set()
        self._talking = 0
        self.spoken_frames = 0
        self._pumping = False
        self.processor = Processor(world.clock)
        self._timer = Timer(self.clock, lambda: self.processor.do(self._due))
        self._connect_udp(conditions, down or conditions)
        world.server.account(account)

    # Connection

    def connect(self) -> Client:
        """Connect, log in and enter the room."""
        world = self.world
        control = control_connection(world.rng.randbytes)
        self.session = session = Session(self._settings, self.device, control, world.rng.randbytes, self.clock.now)
        session.ways = self.ways
        if Way.STREAM in self.ways:
            self._connect_stream()
        self._connect_control()
        return self

    def _connect_control(self) -> None:
        """Make a TCP connection, for the first or the next handshake of the session."""
        world, clock, delay, session = self.world, self.world.clock, self._tcp_delay, self.session
        if world.server.is_down:
            self.clock.at(self.clock.now + delay, self._refused)
            return
        self.from_server = from_server = Stream(
            clock, lambda data: self.processor.do(lambda: self._control(session, from_server, data)), delay
        )
        accepted = world.server.accept(from_server, self.address[0])
        self.to_server = Stream(clock, accepted.receive, delay)
        self.pump()

    def enter(self) -> None:
        """Enter the room, again."""
        self.session.join(self.room_name, self.clock.unix_ms(), e2ee=self.e2ee, require_e2ee=False)
        self.pump()

    def _again(self, attempt: Callable[[], object], wait_ms: int) -> None:
        """Make an attempt after a while, unless the session has gone on since or is another."""
        session, phase = self.session, self.session.phase

        def retry() -> None:
            if self.session is session and session.phase is phase:
                attempt()

        self.clock.at(self.clock.now + wait_ms / 1000, retry)

    def leave(self) -> None:
        """Give the seat up, and stay logged in."""
        self.session.leave()
        self.pump()

    def close(self) -> None:
        """Say goodbye."""
        self.session.close()
        self.pump()

    def vanish(self) -> None:
        """Disappear without a word: the network takes nothing any more."""
        self.to_server.stop()
        self.from_server.stop()
        self.block()

    def reset(self) -> None:
        """Lose the TCP connection with what is on the way; both ends see it at once."""
        self.to_server.reset()
        self.from_server.reset()
        self.world.server.reset(self.from_server)
        self.session.receive_eof()
        self.pump()

    def go_silent(self) -> None:
        """Lose the TCP connection without a sign, as when the address changes."""
        self.to_server.reset()
        self.from_server.reset()

    def reconnect(self) -> None:
        """Connect again, to resume the seat or to enter anew."""
        if self.session.phase not in (Phase.DETACHED, Phase.CLOSED):
            return
        self.session.reconnect(control_connection(self.world.rng.randbytes), self.clock.now)
        self._connect_control()

    def _refused(self) -> None:
        self.session.receive_eof()
        self.pump()

    def outage(self, seconds: float) -> None:
        """Stall TCP for a while."""
        for stream in (self.to_server, self.from_server):
            stream.stop()
            self.world.clock.after(seconds, stream.resume)

    # The media path

    def change(self, **fields: float | bool) -> None:
        """Change the conditions of both directions."""
        self.up.change(**fields)
        self.down.change(**fields)

    def block(self) -> None:
        """Stop UDP."""
        self.change(blocked=True)

    def unblock(self) -> None:
        """Let UDP work again."""
        self.change(blocked=False)

    def rebind(self, address: tuple[str, int] | None = None) -> None:
        """Let the NAT forget: our datagrams have another source, and no datagram reaches the old one."""
        del self.world.server.routes[self.address]
        self.address = address or self.world.new_address(self.address[0])
        self._connect_udp(self.up.conditions, self.down.conditions)

    def _connect_udp(self, up: Conditions, down: Conditions) -> None:
        world, address = self.world, self.address
        self.up = Pipe(world.clock, world.rng, lambda data: world.server.receive(data, address), up)
        self.down = Pipe(world.clock, world.rng, self.receive_datagram, down)
        self.down.on_loss = self._lost
        world.server.routes[address] = self.down

    def _connect_stream(self) -> None:
        """Let datagrams travel as in a WebSocket: an address of a lane of its own, for the server."""
        world = self.world
        address = (STREAM_HOST, len(world.server.routes))
        delay, clock = self._tcp_delay, self.world.clock
        self.stream_up = Stream(clock, lambda data: world.server.receive(data, address), delay)
        self.stream_down = Stream(clock, lambda data: self.receive_datagram(data, Way.STREAM), delay)
        world.server.routes[address] = self.stream_down

    def _lost(self, data: bytes) -> None:
        if parse_header(data).kind == DatagramKind.ROOM:
            self.room_losses.add(data)

    # What the shell does

    def pump(self) -> None:
        """Send, deliver events and media, and set the timer."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._send()
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self._react(event)
                self._send()
            for packet in self.session.media_received():
                self._hear(packet)
        finally:
            self._pumping = False
        self._timer.arm(self.session.next_deadline())

    def _send(self) -> None:
        if (data := self.session.control_to_send()) and not self.world.server.is_down:
            self.to_server.send(data)
        for datagram in self.session.datagrams_to_send(self.clock.now):
            self.up.send(datagram)
        if Way.STREAM in self.ways:
            for datagram in self.session.stream_datagrams_to_send(self.stream_unsent, self.clock.now):
                self.stream_up.send(datagram)

    def _control(self, session: Session, stream: Stream, data: bytes) -> None:
        if session is not self.session or stream is not self.from_server:
            return
        if data:
            session.receive_control(data, self.clock.now)
        elif not session.closed:
            session.receive_eof()
        self.pump()

    def receive_datagram(self, data: bytes, way: Way = Way.UDP) -> None:
        came = self.clock.now

        def read() -> None:
            waited = self.clock.now - came
            self.session.receive_datagram(data, self.clock.now, way, None if waited and way is Way.STREAM else waited)
            self.pump()

        self.processor.do(read)

    def _due(self) -> None:
        self.session.handle_timeout(self.clock.now)
        self.pump()

    def _react(self, event: events.Event) -> None:
        match event:
            case events.ServerKey(trusted=True) if self.session.seated:
                self.session.resume()
            case events.ServerKey(trusted=True) | events.ResumeFailed():
                self._log_in()
            case events.DeriveKey():
                self.session.account_key_derived(ACCOUNT_KEY)
            case events.LoggedIn():
                self.enter()
            case events.Joined(participant=participant):
                self.world.names[participant] = self.name
                if self.has_microphone:
                    self.microphone = self.publish(
                        Kind.AUDIO, Source.MICROPHONE, "opus", muted=self.starts_muted, low_rate=self.has_low_rate
                    )
            case events.LoginFailed(retry_after_ms=wait) if wait:
                self._again(self._log_in, wait)
            case events.JoinFailed(retry_after_ms=wait) if wait:
                self._again(self.enter, wait)
            case events.Detached() if self.returns:
                self.to_server.close()
                self.clock.at(self.clock.now + RETURN_WAIT, self.reconnect)
            case events.Closed(action=action):
                self.to_server.close()
                if self.returns and action in (Action.RECONNECT, Action.RESUME):
                    self.clock.at(self.clock.now + RETURN_WAIT, self.reconnect)

    def _log_in(self) -> None:
        if not self.session.closed:
            self.session.begin_login(self.account, self.name)
            self.pump()

    def _hear(self, packet: MediaPacket[Header]) -> None:
        speaker = self.world.names[packet.participant]
        assert speaker != self.name, "nobody gets own media"
        header = packet.header
        spatial = getattr(header, "spatial", 0)
        place = (packet.participant, packet.publication, spatial, header.sequence)
        assert place not in self._delivered, "delivered at most once"
        self._delivered.add(place)
        said = self.world.voices.get(packet.participant)
        if said is None or not isinstance(header, AudioHeader):
            assert self.world.spoken[place] in (None, packet.payload), "as it was sent"
        else:
            assert packet.payload in said, "as it was sent"
        self.heard.append(Heard(self.world.clock.now, speaker, packet))
        self.world.note(packet.payload, self.name, place)

    # Use

    @property
    def participant(self) -> int:
        """Our number in the room."""
        return self.session.seat.joined.participant

    @property
    def udp(self) -> PathState:
        """State of the way in use, which is UDP unless the client has the stream too."""
        return self.session.seat.path.state if self.session.seated else PathState.UNKNOWN

    @property
    def way(self) -> Way:
        """The way in use."""
        return self.session.seat.path.way

    @property
    def in_room(self) -> bool:
        """Whether the roster is here."""
        return self.session.seated and bool(self.session.seat.room.members)

    def told(self, kind: type) -> list[Any]:
        """Events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def publish(self, kind: Kind, source: Source, codec: str, **more: Any) -> int:
        """Publish; return the number."""
        number = self.session.seat.publishing.publish(kind, source, codec, self.clock.now, **more)
        self.pump()
        return number

    def mute(self, muted: bool = True) -> None:
        """Mute or unmute the microphone."""
        self.session.seat.publishing.set_muted(self.microphone, muted)
        self.pump()

    def request(self, message: object) -> int:
        """Make a request."""
        number = self.session.seat.request(message)
        self.pump()
        return number

    def say(self, payload: bytes | None = None, *, timestamp: int | None = None, **fields: Any) -> bool:
        """Send one frame of sound. By default its payload names the sender and the frame, and it lasts 20 ms."""
        number = self.spoken_frames
        self.spoken_frames += 1
        if timestamp is None:
            timestamp = number * 960
        if payload is None:
            payload = f"{self.name} {number}".encode().ljust(40, b".")
        fields = {"level": 30, "voice": True} | fields
        sent = self.session.seated and self.session.seat.publications.send_audio(
            self.microphone, payload, timestamp, self.clock.now, **fields
        )
        if sent:
            seat = self.session.seat
            sequence = seat.publications.live[self.microphone].sequences[0] - 1
            self.world.spoken[self.participant, self.microphone, 0, sequence] = payload
            self.spoken.append(payload)
            if self.has_low_rate:
                self.world.voices.setdefault(self.participant, set()).add(payload)
        else:
            self.unsent += 1
        if self.has_low_rate and number % 3 == 2:
            self._say_low(number - 2, fields)
        self.pump()
        return sent

    def _say_low(self, number: int, fields: dict[str, Any]) -> None:
        """Send three frames, from this one on, as one packet of the low rate, if somebody wants that."""
        told = [event.layers for event in self.told(events.LayersWanted) if event.number == self.microphone]
        low = self.session.seat.publications.low_rate(self.microphone) if self.session.seated else None
        if low is None or not told or told[-1][0] < 0:
            return
        payload = f"{self.name} low {number}".encode().ljust(63, b".")
        publications = self.session.seat.publications
        if publications.send_audio(low.number, payload, number * 960, self.clock.now, duration_ms=60, **fields):
            self.world.voices.setdefault(self.participant, set()).add(payload)
            self.spoken_low.append(payload)

    def show(self, number: int, frame: bytes, timestamp: int, **fields: Any) -> int:
        """Send a picture; return how many packets."""
        sent = self.session.seated and self.session.seat.publications.send_video(
            number, frame, timestamp, self.clock.now, **fields
        )
        if sent:
            after = self.session.seat.publications.live[number].sequences[fields.get("spatial", 0)]
            for sequence in range(after - sent, after):
                self.world.spoken[self.participant, number, fields.get("spatial", 0), sequence] = None
        self.pump()
        return sent

    def talk(self, every: float = FRAME) -> None:
        """Begin to speak, a frame each 20 ms by our clock."""
        self._talking += 1
        self._talk(self._talking, self.clock.now, 0, every)

    def hush(self) -> None:
        """Stop speaking."""
        self._talking += 1

    def _talk(self, turn: int, start: float, frame: int, every: float) -> None:
        if turn == self._talking and not self.session.closed:
            self.say()
            self.clock.at(start + (frame + 1) * every, lambda: self._talk(turn, start, frame + 1, every))

    def heard_from(self, *speakers: Client, since: float = 0.0) -> list[bytes]:
        """Return the payloads that came from these clients, in the order of arrival."""
        names = {speaker.name for speaker in speakers}
        return [heard.packet.payload for heard in self.heard if heard.speaker in names and heard.at >= since]
