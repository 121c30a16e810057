import random

from nacl.bindings import crypto_scalarmult_base

from tcclient.core.keys.member_keys import MemberKeys
from tcclient.core.keys.own_key import ACTIVATION, URGENT_AFTER, URGENT_INTERVAL, WORN_GENERATION, SenderKeys
from tcproto.keyring import PublicationId
from tcproto.sender_key import MAX_GENERATION, RATCHET_PERIOD, FirstSequence, Party
from tests.support.key_ring import keys_in
from tests.support.scripted_server import LIFE

AUDIO = PublicationId(1, 1, 1)


class Listener:
    def __init__(self, number):
        self.private = bytes([number]) * 32
        self.party = Party(bytes([number]) * 32, crypto_scalarmult_base(self.private))


OWN = Listener(200)


class Sender:
    def __init__(self, listeners=3):
        self.recipients = {}
        self.firsts = (FirstSequence(1, 0, 5),)
        randomness = random.Random(7)
        self.keys = SenderKeys(LIFE, "room", OWN.party, self.recipients, lambda: self.firsts, randomness.randbytes)
        self.rings = {}
        for number in range(1, listeners + 1):
            self.join(number, 0.0)

    def join(self, number, now):
        listener = Listener(number)
        self.recipients[number] = MemberKeys(number, listener.party, LIFE, "room", OWN.party, OWN.private, True)
        self.rings[number] = MemberKeys(0, OWN.party, LIFE, "room", listener.party, listener.private, True)
        self.keys.joined(number, now)

    def leave(self, number, now, kicked=False):
        del self.recipients[number]
        self.keys.left(number, kicked, now)
        self.keys.handle_timeout(now)

    def start(self, now):
        """Start, and let all members acknowledge."""
        self.keys.start(now)
        for number in list(self.recipients):
            self.keys.receipt(number, 1, now)

    def boxes(self):
        """Return the key numbers that each member got in boxes."""
        result = {}
        for to, box in ((b.participant, b.box) for b in self.keys.take_boxes()):
            result.setdefault(to, []).append(self.rings[to].open_box(box, 0.0))
        return result

    def number(self):
        return self.keys.current and self.keys.current.number


def test_a_key_is_made_when_somebody_starts():
    sender = Sender()
    assert sender.keys.sealing_key(AUDIO) is None
    assert sender.keys.take_boxes() == []
    assert sender.keys.next_deadline == float("inf")
    sender.keys.left(9, False, 0.0)
    sender.keys.start(1.0)
    sender.keys.start(1.0)
    assert sender.boxes() == {1: [1], 2: [1], 3: [1]}
    assert sender.keys.sealing_key(AUDIO) is None
    for number in (1, 2, 3):
        sender.keys.receipt(number, 1, 1.0)
    assert sender.keys.sealing_key(AUDIO).number == 1
    assert sender.keys.next_deadline == 1.0 + RATCHET_PERIOD


def test_leaves_are_collected():
    sender = Sender(5)
    sender.start(0.0)
    sender.boxes()
    sender.leave(1, 10.0)
    assert sender.boxes() == {2: [2], 3: [2], 4: [2], 5: [2]}
    sender.leave(2, 10.5)
    sender.leave(3, 11.0)
    assert sender.boxes() == {}
    sender.keys.handle_timeout(11.99)
    assert sender.boxes() == {}
    sender.keys.handle_timeout(12.0)
    assert sender.boxes() == {4: [3], 5: [3]}
    sender.keys.handle_timeout(12.99)
    assert sender.number() == 1
    sender.keys.handle_timeout(13.0)  # the deadline of the first new key stands
    assert sender.number() == 3


def test_a_kick_is_answered_sooner():
    sender = Sender(4)
    sender.start(0.0)
    sender.boxes()
    sender.leave(1, 10.0)
    sender.leave(2, 10.5, kicked=True)
    sender.keys.handle_timeout(10.99)
    assert sender.boxes() == {2: [2], 3: [2], 4: [2]}
    sender.keys.handle_timeout(11.0)
    assert sender.boxes() == {3: [3], 4: [3]}


def test_boxes_without_a_receipt_are_urgent_after_a_while_two_at_a_time():
    sender = Sender(5)
    sender.start(0.0)
    sender.leave(1, 10.0)
    sent = {box.participant: box for box in sender.keys.take_boxes()}
    sender.keys.handle_timeout(10.0 + URGENT_AFTER - 0.01)
    assert sender.keys.take_urgent_boxes() == []
    now = 10.0 + URGENT_AFTER
    for expected in ([2, 3], [4, 5], [2, 3]):
        assert sender.keys.next_deadline == now
        sender.keys.handle_timeout(now)
        assert sender.keys.take_urgent_boxes() == [sent[participant] for participant in expected], "the same bytes"
        now += URGENT_INTERVAL
    for participant in (2, 3, 5):
        sender.keys.receipt(participant, 2, now)
    sender.keys.handle_timeout(now)
    assert sender.keys.take_urgent_boxes() == [sent[4]]
    assert sender.keys.next_deadline == now + URGENT_AFTER, "who waits alone waits a little longer"
    sender.keys.receipt(4, 2, now)
    assert sender.keys.next_deadline == now + RATCHET_PERIOD
    assert sender.keys.take_urgent_boxes() == []


def test_who_joins_meanwhile_gets_no_urgent_box_which_might_overtake_the_one_before():
    sender = Sender(3)
    sender.start(0.0)
    sender.leave(1, 10.0)
    sender.join(9, 10.1)
    sender.keys.take_boxes()
    for number in (2, 3):
        sender.keys.receipt(number, 2, 10.2)
    sender.keys.handle_timeout(10.5)
    assert sender.number() == 1
    assert sender.keys.take_urgent_boxes() == []


def test_receipts_of_all_put_the_key_into_use():
    sender = Sender(3)
    sender.start(0.0)
    sender.keys.receipt(1, 1, 0.0)
    sender.leave(3, 10.0)
    sender.keys.receipt(1, 1, 10.0)
    sender.keys.receipt(1, 2, 10.0)
    assert sender.number() == 1
    sender.keys.receipt(2, 2, 10.0)
    assert sender.number() == 2


def test_who_joins_while_a_key_waits_gets_both_and_is_waited_for():
    sender = Sender(2)
    sender.start(0.0)
    sender.keys.sealing_key(AUDIO)
    sender.leave(1, 10.0)
    sender.boxes()
    sender.join(9, 10.1)
    assert sender.boxes() == {9: [1, 2]}
    sender.keys.receipt(2, 2, 10.2)
    assert sender.number() == 1
    sender.keys.receipt(9, 2, 10.2)
    assert sender.number() == 2


def test_who_leaves_is_not_waited_for():
    sender = Sender(3)
    sender.start(0.0)
    sender.leave(1, 10.0)
    sender.keys.receipt(2, 2, 10.1)
    sender.leave(3, 10.2)
    sender.keys.handle_timeout(12.0)
    sender.keys.receipt(2, 3, 12.1)
    assert sender.number() == 3


def test_alone_there_is_nobody_to_wait_for():
    sender = Sender(1)
    sender.start(0.0)
    sender.leave(1, 10.0)
    assert sender.number() == 2


def test_a_member_with_an_unusable_box_key_is_left_out():
    sender = Sender(1)
    sender.recipients[7] = MemberKeys(7, Party(b"d" * 32, bytes(32)), LIFE, "room", OWN.party, OWN.private, True)
    sender.start(0.0)
    assert sender.boxes() == {1: [1]}
    sender.keys.sealing_key(AUDIO)
    sender.keys.joined(7, 1.0)
    sender.leave(1, 10.0)
    sender.keys.joined(7, 10.0)
    assert sender.number() == 2


def test_the_ratchet_ends_in_a_new_key():
    sender = Sender(2)
    sender.start(0.0)
    now = 1.0
    while sender.keys.current.generation < WORN_GENERATION:
        assert sender.number() == 1
        sender.keys.sealing_key(AUDIO)
        sender.keys.joined(1, now)
        now += 0.001
    sender.keys.handle_timeout(now + 2)
    assert sender.keys._pending.key.number == 2
    for _ in range(30):
        sender.keys.sealing_key(AUDIO)
        sender.keys.joined(1, now + 2)
    assert sender.keys.current.generation == MAX_GENERATION
    sender.keys.handle_timeout(now + 5)
    assert (sender.number(), sender.keys.current.generation) == (2, 0)


def test_a_newcomer_never_gets_a_generation_that_cannot_move_on():
    sender = Sender(2)
    sender.start(0.0)
    sender.keys._current = sender.keys.current.ratcheted(MAX_GENERATION)
    sender.keys.sealing_key(AUDIO)
    sender.keys.take_boxes()
    sender.join(9, 1.0)
    assert sender.boxes() == {}
    sender.keys.handle_timeout(2.0)
    assert sender.boxes() == {1: [2], 2: [2], 9: [2]}
    sender.keys.handle_timeout(700.0)
    assert sender.keys.next_deadline > 700.0


def test_the_same_header_never_comes_under_two_keys_by_mistake():
    sender = Sender(1)
    sender.start(0.0)
    seen = set()
    for step in range(1, 40):
        found = sender.keys.sealing_key(AUDIO)
        assert found.key not in seen
        seen.add(found.key)
        if step % 3 == 0:
            sender.keys._replace(0.0, 10.0 * step)
            sender.keys.handle_timeout(10.0 * step)
            sender.keys.handle_timeout(10.0 * step + 3)
        else:
            sender.keys.joined(1, 10.0 * step)
    assert sender.keys.sealing_key(AUDIO)._replace(key=b"") != sender.keys.sealing_key(PublicationId(2, 1, 1))


def test_until_the_first_key_is_in_use_newcomers_are_waited_for_too():
    sender = Sender(2)
    sender.keys.start(0.0)
    sender.join(9, 1.0)
    assert sender.boxes() == {1: [1], 2: [1], 9: [1]}
    for number in (1, 2):
        sender.keys.receipt(number, 1, 1.0)
    assert sender.number() is None
    sender.leave(9, 1.5)
    assert sender.number() == 1, "nobody is waited for any more"
    sender.keys.handle_timeout(2.0)
    assert sender.boxes() == {1: [2], 2: [2]}
    sender.keys.handle_timeout(2.0 + ACTIVATION)
    assert sender.number() == 2


# Keys of texts


def test_a_newcomer_gets_no_generation_of_a_waiting_key_that_sealed_a_text():
    sender = Sender()
    sender.start(0.0)
    sender.leave(1, 10.0)
    sender.boxes()
    assert sender.keys.for_text(10.1)[:2] == (2, 0)
    sender.join(4, 10.2)
    sender.join(5, 10.3)
    sender.boxes()
    opened = {number: keys_in(sender.rings[number].ring)[-1][:2] for number in (2, 3, 4, 5)}
    assert opened == {2: (2, 0), 3: (2, 0), 4: (2, 1), 5: (2, 1)}
    sender.keys.handle_timeout(10.0 + ACTIVATION)
    assert sender.keys.current[:2] == (2, 1)
    sender.join(6, 14.0)
    assert sender.keys.current[:2] == (2, 1), "nothing was sealed under it"


def test_a_text_under_the_waiting_key_counts_when_it_comes_into_use():
    sender = Sender()
    sender.start(0.0)
    sender.leave(1, 10.0)
    sender.keys.for_text(10.1)
    sender.keys.handle_timeout(10.0 + ACTIVATION)
    sender.join(4, 14.0)
    assert sender.keys.current[:2] == (2, 1)


def test_texts_after_each_of_many_leaves_never_take_the_key_of_packets_from_receivers():
    sender = Sender(20)
    sender.start(0.0)
    sender.boxes()
    for number in range(1, 13):
        sender.leave(number, 10 + number / 10, kicked=True)
        sender.keys.for_text(10 + number / 10)
        sender.boxes()
        key = sender.keys.sealing_key(AUDIO)
        assert sender.rings[20].ring.knows(key.number)
        assert sender.rings[20].ring.text_number == number + 1


def test_who_wrote_and_now_speaks_begins_with_a_new_key_that_all_have():
    sender = Sender()
    assert sender.keys.for_text(0.0)[:2] == (1, 0)
    sender.keys.handle_timeout(5.0)
    sender.join(4, 6.0)
    assert sorted(sender.boxes()) == [1, 2, 3]
    sender.keys.start(10.0)
    assert sender.keys.sealing_key(AUDIO) is None
    assert sender.boxes() == {1: [2], 2: [2], 3: [2], 4: [2]}
    sender.keys.handle_timeout(10.0 + ACTIVATION)
    assert sender.keys.sealing_key(AUDIO).number == 2


def test_who_only_writes_is_due_for_nothing_but_receipts_and_the_end_of_its_key():
    sender = Sender()
    sender.keys.for_text(0.0)
    sender.keys.handle_timeout(ACTIVATION)
    sender.leave(1, 4.0)
    sender.join(4, 5.0)
    sender.leave(4, 6.0)
    assert sorted(sender.boxes()) == [1, 2, 3]
    assert sender.keys.next_deadline == ACTIVATION + RATCHET_PERIOD
    sender.keys.handle_timeout(sender.keys.next_deadline)
    assert sender.keys.current is None
    assert sender.keys.next_deadline == float("inf")
    assert sender.keys.for_text(1000.0)[:2] == (2, 0)


def test_a_worn_key_of_texts_is_replaced():
    sender = Sender(1)
    sender.keys.for_text(0.0)
    sender.keys.handle_timeout(ACTIVATION)
    for turn in range(2, WORN_GENERATION + 5):
        sender.join(turn, 4.0)
        sender.keys.for_text(4.0)
    sender.keys.handle_timeout(4.0 + ACTIVATION)
    assert sender.keys.for_text(5.0).number == 2
