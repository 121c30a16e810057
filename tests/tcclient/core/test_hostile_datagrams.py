"""Whatever a server seals into datagrams, and whatever members put into packets: a session goes on."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tcclient.core.downlink.subscription import Wishes
from tcproto import messages as m
from tcproto.copies import Copy, pack_copies
from tcproto.datagram import Item, ItemType, pack_items
from tcproto.feedback import ArrivalReport, pack_resend_request
from tcproto.packet import AudioHeader, VideoHeader
from tcproto.path import PongItem, Position, ProbeItem, pack_positions
from tests.support.scripted_server import Server

U8, U16, U32 = st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
SERIAL = st.sampled_from((0, 1, 2, 300, 2**15, 2**16 - 1))
LONG_SERIAL = st.sampled_from((0, 1, 2, 1000, 2**31 - 1, 2**31, 2**32 - 1))
STREAMS = st.integers(0, 40)
DURATIONS = st.sampled_from((10, 20, 40, 60))
SOUND = st.builds(
    lambda *fields, **flags: AudioHeader(*fields, **flags).pack() + bytes(8),
    *(STREAMS, U8, U8, LONG_SERIAL, LONG_SERIAL),
    level=st.integers(0, 127),
    duration_ms=DURATIONS,
    voice=st.booleans(),
    comfort=st.booleans(),
    end_of_talk=st.booleans(),
)
PICTURES = st.builds(
    lambda *fields, **flags: VideoHeader(*fields, **flags).pack() + bytes(8),
    *(STREAMS, U8, U8, LONG_SERIAL, LONG_SERIAL, U16, st.just(0), st.just(1)),
    spatial=st.integers(0, 3),
    temporal=st.integers(0, 7),
)
PACKETS = st.one_of(
    st.builds(
        lambda held, packet, forward, ms: Item(
            (ItemType.HELD_PACKET, ItemType.HELD_REDUNDANT_PACKET)[held],
            forward.to_bytes(2, "big") + ms.to_bytes(2, "big") + packet,
        ),
        st.booleans(),
        SOUND | PICTURES,
        SERIAL,
        U16,
    ),
    st.builds(
        lambda redundant, packet, forward: Item(
            (ItemType.PACKET, ItemType.REDUNDANT_PACKET)[redundant], forward.to_bytes(2, "big") + packet
        ),
        st.booleans(),
        SOUND | PICTURES,
        SERIAL,
    ),
    st.builds(
        lambda distance, level: Item(ItemType.COPIES, pack_copies([Copy(distance, level, True, bytes(16))])),
        st.integers(1, 15),
        st.integers(0, 127),
    ),
    SOUND.map(lambda packet: Item(ItemType.FULL_COPY, packet)),
)
ARRIVALS = st.lists(st.none() | st.sampled_from((0, 250, 10**6, 2 * 10**6)), min_size=1, max_size=9)
DOWN = st.one_of(
    st.builds(lambda *fields: Item(ItemType.BANDWIDTH_PROBE, ProbeItem(*fields).pack()), st.integers(0, 2), U8),
    st.lists(st.integers(0, 2**48 - 1), max_size=9).map(
        lambda counters: Item(ItemType.RESEND_REQUEST, pack_resend_request(counters))
    ),
    st.builds(
        lambda *fields: Item(ItemType.PONG, PongItem(*fields).pack()),
        *(st.integers(0, 9), U32, U32, st.integers(0, 2**48 - 1), U32),
    ),
    st.builds(
        lambda base, arrivals: Item(ItemType.ARRIVAL_REPORT, ArrivalReport(base, tuple(arrivals)).pack()),
        st.integers(0, 99),
        ARRIVALS.filter(any),
    ),
    st.builds(
        lambda sealer, counter: Item(ItemType.POSITIONS, pack_positions([Position(sealer, counter)])),
        st.sampled_from((0, 77)),
        st.integers(0, 2**20),
    ),
    st.builds(Item, st.sampled_from(ItemType), st.binary(min_size=1, max_size=40)),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(LONG_SERIAL, st.lists(PACKETS, min_size=1, max_size=4)),
        st.lists(DOWN, min_size=1, max_size=3),
        st.sampled_from((0.03, 0.2, 3.0)),
    ),
    max_size=14,
)


@settings(max_examples=10, deadline=None)
@given(STEPS)
def test_any_datagrams_in_any_order(steps):
    server = Server(e2ee=False)
    listener, talker = server.seated(2)
    talker.publish()
    listener.publish()
    listener.seat.downlink.wish(Wishes((m.Source.MICROPHONE, m.Source.CAMERA), voices=1))
    server.pump()
    for step in steps:
        match step:
            case float():
                server.advance(step)
            case int() as relay_time, items:
                plaintext = relay_time.to_bytes(4, "big") + pack_items(items)
                listener.session.receive_datagram(server.seal_room(plaintext), server.now)
            case _:
                listener.session.receive_datagram(server.seal_down(listener, pack_items(step)), server.now)
        server.pump()
    server.advance(1)
    assert not listener.session.closed
