"""Whatever a participant seals: nothing fails, and an address that is not proved gets no more than it may."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tcproto.datagram import Item, ItemType
from tcproto.feedback import Reception, RetransmissionRequest, pack_arrival_request, pack_receiver_report
from tcproto.messages import Kind as StreamKind
from tcproto.packet import Series
from tcproto.path import ProbeRequest
from tcserver.media.forwarding.drops import Drop
from tcserver.media.forwarding.path import AMPLIFICATION
from tcserver.media.interface import Receiver
from tests.support.media.world import SEALER, Address, World, audio, keyframe, video

SOUND, PICTURES = 7, 8
U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
SERIES = st.builds(
    Series, st.sampled_from((SOUND, PICTURES, 9)), st.integers(0, 3), st.integers(0, 7), redundant=st.booleans()
)
SEALERS = st.sampled_from((SEALER, 0, 2**32 - 1))
RECEPTIONS = st.builds(Reception, SEALERS, SERIES, U32, U32, U16, U16, U16)
VALUES = {
    ItemType.RETRANSMISSION_REQUEST: st.builds(
        lambda *fields: RetransmissionRequest(*fields).pack(), SEALERS, SERIES, U16, U16
    ),
    ItemType.RECEIVER_REPORT: st.lists(RECEPTIONS, max_size=4).map(pack_receiver_report),
    ItemType.BANDWIDTH_PROBE: st.builds(
        lambda *fields: ProbeRequest(*fields).pack(), U16, st.integers(0, 255), st.sampled_from((0, 34, 35, 1200, 1201))
    ),
    ItemType.ARRIVAL_REQUEST: st.sampled_from((0.0, 0.05, 65.0)).map(pack_arrival_request),
    ItemType.PACKET: st.one_of(
        st.builds(
            audio,
            st.just(SOUND),
            st.integers(0, 9) | U16,
            st.sampled_from((b"body", b"")),
            level=st.integers(0, 127),
            voice=st.booleans(),
        ),
        st.builds(video, st.just(PICTURES), U16, spatial=st.integers(0, 3), temporal=st.integers(0, 7)),
        st.builds(keyframe, st.just(PICTURES), U16, spatial=st.integers(0, 3)),
    ),
}
ITEMS = st.one_of(
    *(st.builds(Item, st.just(type_), values) for type_, values in VALUES.items()),
    st.builds(Item, st.sampled_from(ItemType), st.binary(min_size=1, max_size=40)),
)
PROVED, ELSEWHERE = None, Address(0, "10.9.9.9", 9)
PROBE = [Item(ItemType.BANDWIDTH_PROBE, ProbeRequest(1, 16, 1200).pack())]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.lists(ITEMS, min_size=1, max_size=4), st.sampled_from((PROVED, ELSEWHERE))), max_size=8),
    st.sampled_from((0, 1)),
)
@example([(PROBE, ELSEWHERE)] * 4, 0)
@example([([Item(ItemType.PACKET, audio(SOUND, number, b"")) for number in range(4)], PROVED)], 0)
def test_nothing_fails_and_nothing_is_amplified(datagrams, who):
    world = World(2)
    a, b = world.clients
    world.publish(a, SOUND, to=[Receiver(b.media_id, redundant=True, voices=1)])
    world.publish(a, PICTURES, StreamKind.VIDEO, to=[Receiver(b.media_id, min_spatial=1)], layers=4)
    sent = {client.address: 0 for client in world.clients} | {ELSEWHERE: 0}
    came = dict.fromkeys(sent, 0)
    for items, address in datagrams:
        client = world.clients[who]
        datagram = client.up(*items)
        source = address or client.address
        came[source] += len(datagram)
        for target, answer in world.receive_from(source, datagram):
            sent[target] += len(answer)
        world.now += 0.1
        world.plane.poll(world.now)
        for transmission in world.plane.take_transmissions():
            assert ELSEWHERE not in transmission.receivers.addresses
    assert Drop.INTERNAL not in world.drops()
    assert not world.plane.faults.take()
    assert sent[ELSEWHERE] <= AMPLIFICATION * came[ELSEWHERE]
