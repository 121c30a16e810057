import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcclient.core.media.packet import VideoPacket
from tcclient.video.assembly import (
    MAX_BYTES,
    MAX_FRAMES,
    PACKET_OVERHEAD,
    PATIENCE,
    FrameAssembler,
)
from tcproto.packet import cut_frame
from tests.support.packets import picture_packet


def changed(packet: VideoPacket, **fields: Any) -> VideoPacket:
    return packet._replace(header=packet.header._replace(**fields))


def packets_of(
    frames: list[bytes],
    *,
    first_id: int = 0,
    first_sequence: int = 0,
    max_payload: int = 10,
    keyframes: frozenset[int] = frozenset({0}),
) -> list[VideoPacket]:
    packets = []
    for number, data in enumerate(frames):
        pieces = cut_frame(data, max_payload)
        for index, piece in enumerate(pieces):
            packets.append(
                picture_packet(
                    (first_sequence + len(packets)) % (1 << 32),
                    (first_id + number) % (1 << 16),
                    piece,
                    index=index,
                    count=len(pieces),
                    timestamp=number * 3600,
                    keyframe=number in keyframes,
                )
            )
    return packets


def push_all(assembler: FrameAssembler, packets: list[VideoPacket], now: float = 0.0) -> list[VideoPacket]:
    return [frame for packet in packets for frame in assembler.push(packet, now)]


def single(
    frame_id: int, sequence: int, *, keyframe: bool = False, reference: int = 1, temporal: int = 0
) -> VideoPacket:
    fields = {} if keyframe else {"reference": reference}
    return picture_packet(sequence, frame_id, b"x", keyframe=keyframe, temporal=temporal, **fields)


def part(frame_id: int, sequence: int, index: int, count: int, *, keyframe: bool = True) -> VideoPacket:
    return picture_packet(sequence, frame_id, b"x", index=index, count=count, keyframe=keyframe)


@given(
    st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=20),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.randoms(use_true_random=False),
)
def test_reordered_and_repeated_packets_give_all_frames_in_order(
    frames: list[bytes], first_id: int, first_sequence: int, rng: random.Random
) -> None:
    packets = packets_of(frames, first_id=first_id, first_sequence=first_sequence)
    head, tail = packets[0], packets[1:]
    # Each packet moves by a few places. The very first one stays, since nothing shows what came before a beginning.
    shuffled = [packet for _, packet in sorted(enumerate(tail), key=lambda item: item[0] + rng.uniform(0, 6))]
    repeated = [packet for packet in shuffled for _ in range(rng.choice((1, 1, 2)))]
    assembler = FrameAssembler()
    got = push_all(assembler, [head, *repeated])
    assert [frame.payload for frame in got] == frames
    assert [frame.header.frame_id for frame in got] == [
        (first_id + number) % (1 << 16) for number in range(len(frames))
    ]
    assert got[0].header.keyframe
    assert assembler.occupied == 0
    assert assembler.deadline() is None
    extra = len(repeated) - len(tail)
    assert assembler.statistics.duplicates + assembler.statistics.late == extra
    assert assembler.statistics.frames == len(frames)


@given(
    st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=25),
    st.sets(st.integers(0, 24), max_size=6),
    st.integers(0, 0xFFFF),
    st.floats(0, 0.6),
    st.randoms(use_true_random=False),
)
def test_whatever_is_lost_frames_are_whole_in_order_and_on_time(
    frames: list[bytes], keyframes: set[int], first_id: int, loss: float, rng: random.Random
) -> None:
    packets = packets_of(frames, first_id=first_id, keyframes=frozenset(keyframes | {0}))
    assembler = FrameAssembler()
    now = 0.0
    got: list[tuple[float, VideoPacket]] = []
    sent_at: dict[int, float] = {}
    for packet in packets:
        now += 0.01
        sent_at.setdefault(packet.header.frame_id, now)
        if rng.random() >= loss:
            got += [(now, frame) for frame in assembler.push(packet, now)]
        deadline = assembler.deadline()
        assert deadline is None or now < deadline <= now + PATIENCE
    while (deadline := assembler.deadline()) is not None:
        got += [(deadline, frame) for frame in assembler.expire(deadline)]
    numbers = [(frame.header.frame_id - first_id) % (1 << 16) for _, frame in got]
    assert numbers == sorted(set(numbers))
    assert all(frame.payload == frames[number] for number, (_, frame) in zip(numbers, got, strict=True))
    assert all(at <= sent_at[frame.header.frame_id] + 0.1 + PATIENCE for at, frame in got)
    assert assembler.occupied == 0


def packet_strategy() -> st.SearchStrategy[VideoPacket]:
    return st.builds(
        picture_packet,
        sequence=st.integers(0, 200) | st.integers(0, 0xFFFFFFFF),
        timestamp=st.integers(0, 1),
        frame_id=st.integers(0, 60) | st.integers(0, 0xFFFF),
        index=st.integers(0, 4) | st.integers(0, 0xFFFF),
        count=st.integers(0, 4) | st.integers(0, 0xFFFF),
        keyframe=st.booleans(),
        temporal=st.integers(0, 1),
        reference=st.integers(0, 3) | st.integers(0, 255),
        payload=st.sampled_from([b"", b"x", bytes(1000), bytes(MAX_BYTES // 3)]),
    )


@settings(max_examples=200)
@given(st.lists(st.tuples(packet_strategy(), st.sampled_from([0.0, 0.01, 0.3])), max_size=80))
def test_any_packets_stay_within_the_limits_and_never_go_back(steps: list[tuple[VideoPacket, float]]) -> None:
    assembler = FrameAssembler()
    now, previous = 0.0, None
    for packet, wait in steps:
        now += wait
        restarts = assembler.statistics.restarts
        emitted = assembler.push(packet, now)
        assert assembler.occupied <= MAX_BYTES
        deadline = assembler.deadline()
        assert deadline is None or now < deadline <= now + PATIENCE
        if assembler.statistics.restarts > restarts:
            previous = None
        for frame in emitted:
            if previous is not None:
                assert 0 < (frame.header.frame_id - previous) % (1 << 16) < 1 << 15
            previous = frame.header.frame_id
    assert assembler.statistics.packets == len(steps)


def test_a_keyframe_that_comes_slowly_is_not_given_up_and_shows_that_it_is_coming() -> None:
    assembler = FrameAssembler()
    assert not assembler.keyframe_coming
    for index in range(9):
        assert assembler.push(part(1, index, index, 10), 0.9 * PATIENCE * index) == []
        assert assembler.keyframe_coming
    assert [frame.header.frame_id for frame in assembler.push(part(1, 9, 9, 10), 0.9 * PATIENCE * 9)] == [1]
    assert not assembler.keyframe_coming


def test_a_keyframe_that_comes_no_further_is_given_up() -> None:
    assembler = FrameAssembler()
    assembler.push(part(1, 0, 0, 10), 0.0)
    assembler.push(part(1, 1, 1, 10), 0.4 * PATIENCE)
    assembler.expire(1.3 * PATIENCE)
    assert assembler.keyframe_coming
    assembler.expire(1.4 * PATIENCE)
    assert not assembler.keyframe_coming
    assert assembler.statistics.incomplete == 1


def test_a_lost_packet_holds_what_refers_to_it_for_the_patience_and_no_longer() -> None:
    assembler = FrameAssembler()
    assert [frame.header.frame_id for frame in assembler.push(single(0, 0, keyframe=True), 0.0)] == [0]
    assert assembler.push(part(1, 1, 0, 2, keyframe=False), 0.1) == []
    assert assembler.push(single(2, 3), 0.2) == []
    assert assembler.deadline() == pytest.approx(0.1 + PATIENCE)
    assert assembler.expire(0.5) == []
    assert [frame.header.frame_id for frame in assembler.expire(0.1 + PATIENCE)] == [2]
    assert assembler.statistics.incomplete == 1
    assert assembler.push(part(1, 2, 1, 2, keyframe=False), 0.7) == []
    assert assembler.statistics.late == 1


def test_a_frame_that_is_wholly_lost_is_given_up_with_the_one_that_waits_for_it() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(0, 0, keyframe=True), single(2, 2), single(3, 3)])
    assert [frame.header.frame_id for frame in assembler.push(single(4, 4), PATIENCE)] == [2, 3, 4]


def test_a_retransmission_frees_what_waited() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(0, 0, keyframe=True), single(2, 2), single(3, 3)])
    assert [frame.header.frame_id for frame in assembler.push(single(1, 1), 0.3)] == [1, 2, 3]


def test_a_keyframe_overtakes_what_is_incomplete() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(0, 0, keyframe=True), part(1, 1, 0, 2, keyframe=False)])
    assert [frame.header.frame_id for frame in assembler.push(single(2, 3, keyframe=True), 0.1)] == [2]
    assert assembler.statistics.incomplete == 1


def test_layers_that_were_not_forwarded_delay_nothing() -> None:
    assembler = FrameAssembler()
    sent = [single(0, 0, keyframe=True), single(4, 4, reference=4), single(8, 8, reference=4)]
    assert [frame.header.frame_id for frame in push_all(assembler, sent)] == [0, 4, 8]


@pytest.mark.parametrize(
    "change",
    [
        {"packet_count": 3},
        {"timestamp": 9},
        {"keyframe": False, "reference": 1},
        {"temporal": 1},
        {"reference": 7},
    ],
)
def test_packets_that_contradict_each_other_drop_the_frame(change: dict[str, int]) -> None:
    assembler = FrameAssembler()
    assert assembler.push(part(5, 0, 0, 2), 0.0) == []
    assert assembler.push(changed(part(5, 1, 1, 2), **change), 0.0) == []
    assert assembler.statistics.inconsistent == 1
    assert assembler.occupied == 0
    assert push_all(assembler, [part(5, 2, 0, 2), part(5, 3, 1, 2)]) == []
    assert [frame.header.frame_id for frame in assembler.push(single(6, 4, keyframe=True), 0.0)] == [6]
    assert assembler.statistics.incomplete == 0


@pytest.mark.parametrize(
    "packet",
    [
        part(0, 0, 2, 2),
        part(0, 0, 0, 0),
        part(0, 0, 0, 1)._replace(payload=b""),
        changed(single(0, 0), reference=0),
    ],
)
def test_packets_that_cannot_be_are_counted_and_dropped(packet: VideoPacket) -> None:
    assembler = FrameAssembler()
    assert assembler.push(packet, 0.0) == []
    assert assembler.statistics.malformed == 1
    assert assembler.deadline() is None


def test_an_older_packet_of_a_newer_frame_is_dropped() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(5, 10, keyframe=True)])
    assert assembler.push(single(6, 9), 0.0) == []
    assert assembler.statistics.malformed == 1


def test_the_number_of_frames_is_bounded() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(0, 0, keyframe=True)])
    for number in range(MAX_FRAMES):
        assert assembler.push(part(10 + number, 100 + 2 * number, 0, 2, keyframe=False), 0.0) == []
    assert assembler.statistics.overflow == 0
    assert assembler.push(single(5, 50), 0.0) == []  # older than all that wait: it would be the one to go
    assert assembler.statistics.late == 1
    assembler.push(part(10 + MAX_FRAMES, 200, 0, 2, keyframe=False), 0.0)
    assert assembler.statistics.overflow == 1
    assert assembler.occupied == MAX_FRAMES * (PACKET_OVERHEAD + 1)


def test_the_bytes_are_bounded_even_for_tiny_packets() -> None:
    assembler = FrameAssembler()
    sequence = 0
    for frame_id in range(3):
        for index in range(0x2FFF):
            assembler.push(part(frame_id, sequence, index, 0xFFFF), 0.0)
            sequence += 1
            assert assembler.occupied <= MAX_BYTES
    assert assembler.statistics.overflow >= 1


def test_a_frame_larger_than_the_limit_is_given_up() -> None:
    assembler = FrameAssembler()
    huge = [part(0, number, number, 6)._replace(payload=bytes(MAX_BYTES // 4)) for number in range(6)]
    assert push_all(assembler, huge) == []
    assert assembler.statistics.overflow == 1
    assert assembler.statistics.late == 2
    assert assembler.occupied == 0


def test_frame_ids_that_go_back_while_sequence_numbers_go_on_are_a_new_beginning() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(30000, 0, keyframe=True), part(30001, 1, 0, 2, keyframe=False)])
    assert [frame.header.frame_id for frame in assembler.push(single(7, 3, keyframe=True), 0.0)] == [7]
    assert [frame.header.frame_id for frame in assembler.push(single(8, 4), 0.0)] == [8]
    assert assembler.statistics.restarts == 1
    assert assembler.statistics.incomplete == 1


def test_a_jump_ahead_is_followed() -> None:
    assembler = FrameAssembler()
    push_all(assembler, [single(0, 0, keyframe=True)])
    assert [frame.header.frame_id for frame in assembler.push(single(20000, 1, keyframe=True), 0.0)] == [20000]
    assert [frame.header.frame_id for frame in assembler.push(single(20001, 2), 0.0)] == [20001]
    assert assembler.statistics.restarts == 0
