"""The jitter buffer with anything at all."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tcclient.audio.frame import FrameKind
from tcclient.audio.jitter import MAX_BUFFERED_MS, MAX_PACKETS, JitterBuffer, PutResult
from tests.support.packets import put

TICK = 0.02


class AnyNetwork(RuleBasedStateMachine):
    """Packets with any numbers at any time: the buffer stays bounded, and plays each packet once and in order."""

    def __init__(self):
        super().__init__()
        self.buffer = JitterBuffer()
        self.now = 100.0
        self.sent = 0
        self.base = 0
        self.timestamp = 0
        self.played = []
        self.put_count = 0

    def put(self, sequence, timestamp, duration, **options):
        before = self.buffer.statistics
        self.put_count += 1
        result = put(
            self.buffer, sequence % 2**32, timestamp % 2**32, duration, b"%d" % self.put_count, self.now, **options
        )
        after = self.buffer.statistics
        assert after.received == before.received + 1
        assert (result is PutResult.RESYNC) == (after.resyncs == before.resyncs + 1)
        assert (result is PutResult.DUPLICATE) == (after.duplicate == before.duplicate + 1)
        if result is PutResult.RESYNC:
            self.played.clear()
            assert len(self.buffer) == 1

    @rule(count=st.integers(1, 30), flags=st.tuples(st.booleans(), st.booleans(), st.booleans()))
    def speak(self, count, flags):
        end_of_talk, comfort, fec = flags
        for step in range(count):
            last = step == count - 1
            self.put(
                self.sent, self.timestamp, 960, fec=fec, end_of_talk=end_of_talk and last, comfort=comfort and last
            )
            self.sent += 1
            self.timestamp += 960
            self.tick(1)

    @rule(packets=st.integers(1, 40))
    def lose(self, packets):
        self.sent += packets
        self.timestamp += 960 * packets

    @rule(back=st.integers(0, 3_000), shift=st.sampled_from([0, 0, 120, -960, 10**6]), duration=st.integers(1, 5_760))
    def old_packet(self, back, shift, duration):
        self.put(self.sent - back, self.timestamp - 960 * back + shift, duration)

    @rule(sequence=st.integers(0, 2**32 - 1), timestamp=st.integers(0, 2**32 - 1), duration=st.integers(1, 5_760))
    def any_packet(self, sequence, timestamp, duration):
        self.put(sequence, timestamp, duration)

    @rule(ahead=st.integers(-50, 50), samples=st.integers(-48_000, 48_000), held=st.floats(0, 2))
    def odd_packet(self, ahead, samples, held):
        self.put(self.sent + ahead, self.timestamp + samples, 960, held=held)

    @rule(ticks=st.integers(1, 60))
    def tick(self, ticks):
        for _ in range(ticks):
            frame = self.buffer.get(self.now)
            assert 0 < frame.duration <= 5_760
            assert abs(frame.adjust) <= frame.duration // 2
            assert (frame.payload is not None) == (frame.kind in (FrameKind.PACKET, FrameKind.FEC))
            assert (frame.timestamp is None) == (frame.kind in (FrameKind.LATE, FrameKind.SILENCE))
            if frame.timestamp is not None:
                self.played.append(frame)
            self.now += TICK

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds):
        self.now += seconds

    @invariant()
    def memory_is_bounded(self):
        assert len(self.buffer) <= MAX_PACKETS
        assert self.buffer.buffered <= MAX_BUFFERED_MS * 48 + 5_760

    @invariant()
    def output_is_monotone_and_unique(self):
        for before, after in zip(self.played, self.played[1:], strict=False):
            step = (after.timestamp - before.timestamp + 2**31) % 2**32 - 2**31
            assert step >= before.duration
        packets = [frame.payload for frame in self.played if frame.kind is FrameKind.PACKET]
        assert len(packets) == len(set(packets))
        del self.played[:-1]


AnyNetwork.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyNetwork = AnyNetwork.TestCase
