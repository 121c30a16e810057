"""Three planes with a room together deliver exactly what one plane would, through arbitrary histories."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tcproto.datagram import Item, ItemType
from tcproto.messages import Kind as StreamKind
from tcserver.media.interface import (
    Address,
    ChangeForwarding,
    CloseSeat,
    CloseStream,
    Command,
    MuteStream,
    OpenStream,
    PathLost,
    PathProven,
    Receiver,
)
from tests.support.media.relay_world import ROOM, Sent, Workers, packets
from tests.support.media.world import CAPS, MediaClient, audio, packet_item, video

PLANES = 3


def brought(sent: Sent) -> dict[Address, list[tuple[int, bytes]]]:
    """Return type and packet of what each client gets.

    The forward number is left out: a worker numbers what it hands over, though the other worker may know of no proven
    path.
    """
    return {address: [(item[0], item[3:]) for item in items] for address, items in packets(sent).items()}


class Together(RuleBasedStateMachine):
    """Every command and datagram goes to three planes with a room together, and to one that has it alone."""

    def __init__(self) -> None:
        super().__init__()
        self.together, self.alone = Workers(PLANES), Workers(1)
        self.alone.router.workers = lambda _: (0,)
        self.clients: dict[int, MediaClient] = {}
        self.streams: dict[int, tuple[int, StreamKind]] = {}
        self.number = self.sequence = 0

    def apply(self, *commands: Command) -> None:
        for workers in (self.together, self.alone):
            workers.apply(*commands)
        self.exchange()

    def exchange(self) -> None:
        self.compare(self.together.exchange(), self.alone.exchange())

    def receive(self, client: MediaClient, datagram: bytes) -> None:
        self.alone.planes[0].receive([(datagram, client.address)], self.alone.now)
        self.compare(self.together.receive(client, datagram), self.alone.exchange())

    def compare(self, together, alone) -> None:
        assert brought(together) == brought(alone)

    @initialize(numbers=st.lists(st.integers(0, PLANES - 1), min_size=3, max_size=5))
    def begin(self, numbers):
        """Let some join who hear each other, so that the other steps have something to act on."""
        for worker in numbers:
            self.join(worker)
        for client in self.clients.values():
            self.prove_path(client)
            self.open_stream(client.media_id, StreamKind.AUDIO)
        self.apply(ChangeForwarding(ROOM, tuple(self.streams), tuple(map(Receiver, self.clients))))

    @rule(worker=st.integers(0, PLANES - 1))
    def join(self, worker):
        self.number += 1
        client = self.together.join(self.number, worker, prove=False)
        self.alone.join(self.number, worker, prove=False)
        self.clients[client.media_id] = client

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def prove(self, data):
        self.prove_path(self.clients[data.draw(st.sampled_from(sorted(self.clients)))])

    def prove_path(self, client: MediaClient) -> None:
        """Prove a path. The challenges and the down datagrams differ, but their outcome does not."""
        ping = client.ping()
        for workers, worker in ((self.together, client.media_id & 0xFF), (self.alone, 0)):
            workers.now += 1
            workers.planes[worker].receive([(ping, client.address)], workers.now)
            for _, answer in workers.exchange():
                for item in client.open_down(answer):
                    if item.type == ItemType.PATH_CHALLENGE:
                        response = Item(ItemType.PATH_RESPONSE, item.value)
                        workers.planes[worker].receive([(client.up(response), client.address)], workers.now)
            workers.exchange()

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def leave(self, data):
        media_id = data.draw(st.sampled_from(sorted(self.clients)))
        del self.clients[media_id]
        self.apply(CloseSeat(media_id, ROOM))
        self.streams = {ident: stream for ident, stream in self.streams.items() if stream[0] != media_id}

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), kind=st.sampled_from((StreamKind.AUDIO, StreamKind.VIDEO)))
    def publish(self, data, kind):
        self.open_stream(data.draw(st.sampled_from(sorted(self.clients))), kind)

    def open_stream(self, media_id: int, kind: StreamKind) -> None:
        self.number += 1
        self.streams[self.number] = media_id, kind
        self.apply(OpenStream(self.number, media_id, kind, CAPS))

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), redundant=st.booleans())
    def forward(self, data, redundant):
        streams = data.draw(st.lists(st.sampled_from(sorted(self.streams)), unique=True))
        wanting = data.draw(st.lists(st.sampled_from(sorted(self.clients)), unique=True))
        gone = data.draw(st.lists(st.sampled_from(sorted(self.clients)), unique=True))
        receivers = tuple(Receiver(media_id, redundant) for media_id in wanting)
        self.apply(ChangeForwarding(ROOM, tuple(streams), receivers, tuple(gone)))

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), muted=st.booleans(), close=st.booleans())
    def change(self, data, muted, close):
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        media_id, _ = self.streams[stream]
        self.apply(CloseStream(stream, media_id) if close else MuteStream(stream, media_id, muted))
        if close:
            del self.streams[stream]

    @rule()
    def send(self):
        for stream, (media_id, kind) in self.streams.items():
            self.sequence += 1
            # No keyframe: what is replayed to receivers here is requested again for those elsewhere.
            more = {"reference": 1} if kind is StreamKind.VIDEO else {}
            packet = (audio if kind is StreamKind.AUDIO else video)(stream, self.sequence, **more)
            client = self.clients[media_id]
            self.receive(client, client.up(packet_item(packet)))

    @rule(seconds=st.sampled_from((0.02, 1.0, 6.0, 31.0)))
    def wait(self, seconds):
        self.compare(self.together.poll(seconds), self.alone.poll(seconds))

    @rule()
    def same_events(self):
        kinds = (PathProven, PathLost)
        together, alone = (
            {event for event in workers.take_events() if isinstance(event, kinds)}
            for workers in (self.together, self.alone)
        )
        assert together == alone


Together.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTogether = Together.TestCase
