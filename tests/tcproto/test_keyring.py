from __future__ import annotations

import pytest
from nacl.bindings import crypto_secretbox

from tcproto.errors import CryptoFailure
from tcproto.keyring import (
    MAX_KEYS,
    MAX_LAYERS,
    MAX_SKIPPED_GENERATIONS,
    SENDER_KEY_OVERLAP,
    KeyRing,
    PublicationId,
)
from tcproto.packet import AudioHeader, VideoHeader, parse_header, seal_packet
from tcproto.replay import SEQUENCE_WINDOW
from tcproto.sender_key import MAX_GENERATION, FirstSequence, OpenedBox, Party, SenderKey
from tcproto.text import Note, TextHeader, seal_room_text, text_key
from tests.support.key_ring import CAMERA, LIFE, MICROPHONE, NOW, opened, refused, ring_with, sealed, sender_key
from tests.support.memory import parts_of, size_of
from tests.support.mutations import bit_flips, truncations

SENDER = Party(b"d" * 32, b"b" * 32)


def text_opened(ring: KeyRing, key: SenderKey, now: float = NOW) -> str:
    header = TextHeader(key.number, key.generation, 1)
    sealed_text = seal_room_text(header, Note(bytes(16), 0, 0, "halo"), text_key(key, LIFE, SENDER))
    return ring.open_text(header, sealed_text, SENDER, now).text


def text_refused(ring: KeyRing, key: SenderKey, now: float = NOW) -> None:
    with pytest.raises(CryptoFailure):
        text_opened(ring, key, now)


def test_a_ring_follows_a_sender_that_only_writes() -> None:
    ring = ring_with(sender_key())
    text_refused(ring, sender_key(generation=MAX_SKIPPED_GENERATIONS + 1))
    for generation in range(MAX_SKIPPED_GENERATIONS, MAX_GENERATION, MAX_SKIPPED_GENERATIONS):
        assert text_opened(ring, sender_key(generation=generation)) == "halo"
    assert text_opened(ring, sender_key(generation=3), NOW + SENDER_KEY_OVERLAP - 0.1) == "halo", (
        "packets may have been faster"
    )
    text_refused(ring, sender_key(generation=3), NOW + SENDER_KEY_OVERLAP)


def test_texts_are_good_under_the_newest_key_only() -> None:
    ring = ring_with(sender_key(1), sender_key(2))
    assert ring.text_number == 2
    assert text_opened(ring, sender_key(2)) == "halo"
    text_refused(ring, sender_key(1))
    text_refused(ring, sender_key(3))
    text_refused(KeyRing(LIFE), sender_key(1))
    assert opened(ring, sealed(sender_key(1))) == b"payload", "packets are on their way under the old one"


def test_a_key_that_overtook_texts_is_good_for_texts_from_when_on_it_comes_in_order() -> None:
    ring = ring_with(sender_key(1))
    assert ring.add(OpenedBox(sender_key(2), ()), NOW, in_order=False)
    assert opened(ring, sealed(sender_key(2))) == b"payload"
    late = NOW + 2 * SENDER_KEY_OVERLAP
    assert text_opened(ring, sender_key(1), late) == "halo", "it was on its way all the time"
    text_refused(ring, sender_key(2), late)
    ring.came_in_order(OpenedBox(sender_key(2), ()))
    assert text_opened(ring, sender_key(2), late) == "halo"
    text_refused(ring, sender_key(1), late)
    ring.came_in_order(OpenedBox(sender_key(1), ()))
    assert ring.text_number == 2


def test_texts_follow_keys_in_order_also_when_a_row_of_keys_has_overtaken_them() -> None:
    ring = ring_with(sender_key(1))
    for number in range(2, MAX_KEYS + 4):
        assert ring.add(OpenedBox(sender_key(number), ()), NOW, in_order=False)
    for number in range(1, MAX_KEYS + 4):
        ring.came_in_order(OpenedBox(sender_key(number), ()))
        assert text_opened(ring, sender_key(number)) == "halo"


def test_a_forged_text_moves_nothing() -> None:
    ring = ring_with(sender_key())
    with pytest.raises(CryptoFailure):
        ring.open_text(TextHeader(1, 60, 1), b"\x11" + bytes(60), SENDER, NOW)
    text_refused(ring, sender_key(generation=MAX_SKIPPED_GENERATIONS + 1))
    assert text_opened(ring, sender_key()) == "halo"


# What a sender commits itself to


def test_a_commitment_that_is_kept_takes_the_ring_along_however_far() -> None:
    key = sender_key()
    ring = ring_with(key)
    far = key.ratcheted(MAX_GENERATION)
    refused(ring, sealed(far))
    assert ring.follow(1, MAX_GENERATION, far.commitment(), NOW) is True
    assert opened(ring, sealed(far)) == b"payload"
    middle = key.ratcheted(100)
    assert opened(ring, sealed(middle, 1)) == b"payload", "what was on the way"
    assert ring.follow(1, 100, middle.commitment(), NOW) is True
    assert ring.follow(1, 100, bytes(32), NOW) is False
    refused(ring, sealed(middle, 2), NOW + SENDER_KEY_OVERLAP)
    assert ring.follow(1, 100, middle.commitment(), NOW + SENDER_KEY_OVERLAP) is None, "it cannot be told any more"


def test_a_commitment_that_is_not_kept_changes_nothing() -> None:
    ring = ring_with(sender_key())
    assert ring.follow(1, 200, bytes(32), NOW) is False
    assert opened(ring, sealed(sender_key())) == b"payload"
    refused(ring, sealed(sender_key(1, 200)))
    assert ring.follow(2, 0, sender_key(2).commitment(), NOW) is None, "no such key"


def test_what_is_replaced_is_forgotten_without_a_packet() -> None:
    ring = ring_with(sender_key(1), sender_key(2))
    ring.follow(2, 5, sender_key(2, 5).commitment(), NOW)
    ring.forget(NOW + SENDER_KEY_OVERLAP - 0.1)
    assert ring.knows(1)
    ring.forget(NOW + SENDER_KEY_OVERLAP)
    assert not ring.knows(1)
    assert ring.follow(2, 4, sender_key(2, 4).commitment(), NOW + SENDER_KEY_OVERLAP) is None


# Replay


@pytest.mark.parametrize("start", [0, 2**31, 2**32 - 2])
def test_each_sequence_number_is_delivered_once(start: int) -> None:
    ring = ring_with(sender_key())
    for sequence in (start + 1, start):
        packet = sealed(sender_key(), sequence)
        assert opened(ring, packet) == b"payload"
        refused(ring, packet)
        # Nor another packet of that number.
        refused(ring, sealed(sender_key(), sequence, b"other"))


def test_the_edges_of_the_sequence_window() -> None:
    ring = ring_with(sender_key())
    top = 10**6
    assert opened(ring, sealed(sender_key(), top))
    assert opened(ring, sealed(sender_key(), top - SEQUENCE_WINDOW + 1))
    refused(ring, sealed(sender_key(), top - SEQUENCE_WINDOW))
    refused(ring, sealed(sender_key(), 0))


def test_layers_and_publications_count_apart() -> None:
    ring = ring_with(sender_key())
    assert opened(ring, sealed(sender_key(), 5))
    assert opened(ring, sealed(sender_key(), 5, publication=CAMERA), publication=CAMERA)
    for spatial in range(4):
        header = VideoHeader(1, 1, 0, 6, 0, 0, 0, 1, spatial=spatial)
        packet = seal_packet(header, b"frame", sender_key().publication_key(LIFE, *CAMERA))
        assert opened(ring, packet, publication=CAMERA) == b"frame"
        refused(ring, packet, publication=CAMERA)


def test_first_sequences_of_the_key_box_hold() -> None:
    ring = ring_with(sender_key(), firsts=(FirstSequence(1, 0, 100), FirstSequence(2, 0, 7)))
    refused(ring, sealed(sender_key(), 99))
    assert opened(ring, sealed(sender_key(), 100))
    refused(ring, sealed(sender_key(), 99))
    refused(ring, sealed(sender_key(), 6, publication=CAMERA), publication=CAMERA)
    assert opened(ring, sealed(sender_key(), 7, publication=CAMERA), publication=CAMERA)


def test_a_packet_of_another_publication_does_not_open() -> None:
    ring = ring_with(sender_key())
    for other in (CAMERA, MICROPHONE._replace(kind=2), MICROPHONE._replace(source=2)):
        refused(ring, sealed(sender_key(), publication=other))
    assert opened(ring, sealed(sender_key()))


# Forgery


def test_a_spoilt_packet_does_not_open_and_blocks_nothing() -> None:
    ring = ring_with(sender_key())
    packet = sealed(sender_key(), 3)
    for spoilt in (*bit_flips(packet), *truncations(packet)):
        try:
            header = parse_header(spoilt)
        except ValueError:
            continue
        if isinstance(header, VideoHeader):
            continue
        refused(ring, spoilt)
    assert opened(ring, packet) == b"payload"


def test_a_forged_generation_blocks_no_true_one() -> None:
    ring = ring_with(sender_key())
    for generation in (*range(MAX_SKIPPED_GENERATIONS + 3), MAX_GENERATION, MAX_GENERATION + 1, 255):
        header = AudioHeader(9, 1, generation, 2**32 - 1, 0)
        refused(ring, seal_packet(header, b"forged", b"f" * 32))
    for generation in (0, 1, MAX_SKIPPED_GENERATIONS + 1):
        assert opened(ring, sealed(sender_key(1, generation), generation)) == b"payload"


def test_bad_padding_under_the_true_key_counts_for_nothing() -> None:
    ring = ring_with(sender_key())
    header = AudioHeader(9, 1, 1, 0, 0)
    key = sender_key(1, 1).publication_key(LIFE, *MICROPHONE)
    # The padding of a bare packet, sealed: what was the payload is the plaintext.

    clear = header.pack()
    packet = clear + crypto_secretbox(b"\x09bad", clear.ljust(24, b"\0"), key)
    with pytest.raises(ValueError, match="padding"):
        opened(ring, packet)
    assert opened(ring, sealed(sender_key(1, 1), 0))


def test_forgeries_take_no_memory() -> None:
    ring = ring_with(sender_key())

    before = size_of(ring)
    for number in range(500):
        header = VideoHeader(9, 1, number % 9, number, 0, 0, 0, 1, spatial=number % 4)
        refused(ring, seal_packet(header, b"forged", b"f" * 32), publication=PublicationId(number, 1, 1))
    assert size_of(ring) == before


def test_as_many_layers_as_are_tracked() -> None:
    ring = ring_with(sender_key())
    publications = [PublicationId(number, 1, 1) for number in range(1, MAX_LAYERS + 2)]
    for publication in publications[:-1]:
        assert opened(ring, sealed(sender_key(), publication=publication), publication=publication)
    refused(ring, sealed(sender_key(), publication=publications[-1]), publication=publications[-1])
    assert opened(ring, sealed(sender_key(), 1, publication=publications[0]), publication=publications[0])
    # A new key has room again.
    assert ring.add(OpenedBox(sender_key(2), ()), NOW)
    assert opened(ring, sealed(sender_key(2), publication=publications[-1]), publication=publications[-1])


# Generations


def test_generations_out_of_reach() -> None:
    ring = ring_with(sender_key(1, 10))
    refused(ring, sealed(sender_key(1, 9)))
    refused(ring, sealed(sender_key(1, 10 + MAX_SKIPPED_GENERATIONS + 1)))
    assert opened(ring, sealed(sender_key(1, 10 + MAX_SKIPPED_GENERATIONS)))
    assert opened(ring, sealed(sender_key(1, 10 + 2 * MAX_SKIPPED_GENERATIONS), 1))


def test_the_last_generation() -> None:
    ring = ring_with(sender_key(1, MAX_GENERATION - 1))
    assert opened(ring, sealed(sender_key(1, MAX_GENERATION)))
    header = AudioHeader(9, 1, MAX_GENERATION + 1, 1, 0)
    refused(ring, seal_packet(header, b"", b"f" * 32))
    assert opened(ring, sealed(sender_key(1, MAX_GENERATION - 1), 2))
    refused(ring, sealed(sender_key(1, MAX_GENERATION - 2), 3))


def test_a_replaced_generation_lives_for_the_overlap() -> None:
    ring = ring_with(sender_key())
    assert opened(ring, sealed(sender_key(), 0))
    assert opened(ring, sealed(sender_key(1, 3), 1))
    # Also one that was never seen before.
    assert opened(ring, sealed(sender_key(1, 2), 2), NOW + SENDER_KEY_OVERLAP - 0.001)
    assert opened(ring, sealed(sender_key(1, 0), 3), NOW + SENDER_KEY_OVERLAP - 0.001)
    for generation in (0, 2):
        refused(ring, sealed(sender_key(1, generation), 4), NOW + SENDER_KEY_OVERLAP)
    assert opened(ring, sealed(sender_key(1, 3), 5), NOW + SENDER_KEY_OVERLAP)
    kept = parts_of(ring)
    assert sender_key(1, 3).publication_key(LIFE, *MICROPHONE) in kept
    for generation in (0, 2):
        assert sender_key(1, generation).publication_key(LIFE, *MICROPHONE) not in kept
        assert sender_key(1, generation).key not in kept


def test_in_a_row_of_joins_every_generation_since_the_first_lives_on() -> None:
    ring = ring_with(sender_key())
    for generation in (2, 4):
        assert opened(ring, sealed(sender_key(1, generation), generation), NOW + generation)
    for generation in (0, 1, 2, 3):
        assert opened(ring, sealed(sender_key(1, generation), 10 + generation), NOW + 4 + SENDER_KEY_OVERLAP - 0.001)
    refused(ring, sealed(sender_key(1, 3), 20), NOW + 4 + SENDER_KEY_OVERLAP)


# Keys


def test_one_box_for_a_key_number() -> None:
    ring = ring_with(sender_key(5))
    assert ring.knows(5)
    assert not ring.knows(4)
    for number in (5, 4, 0):
        assert not ring.add(OpenedBox(sender_key(number)._replace(key=b"x" * 32), ()), NOW)
    assert not ring.knows(4)
    assert opened(ring, sealed(sender_key(5)))


def test_a_replaced_key_lives_for_the_overlap_whether_the_new_one_is_used_or_not() -> None:
    for used in (True, False):
        ring = ring_with(sender_key(1))
        ring.add(OpenedBox(sender_key(2), ()), NOW)
        if used:
            assert opened(ring, sealed(sender_key(2)))
        assert opened(ring, sealed(sender_key(1), 0), NOW + SENDER_KEY_OVERLAP - 0.001)
        refused(ring, sealed(sender_key(1), 1), NOW + SENDER_KEY_OVERLAP)
        assert not ring.knows(1)
        assert opened(ring, sealed(sender_key(2), 1), NOW + 1000 * SENDER_KEY_OVERLAP)


def test_a_third_key_gives_the_first_no_more_time() -> None:
    ring = ring_with(sender_key(1))
    ring.add(OpenedBox(sender_key(2), ()), NOW)
    ring.add(OpenedBox(sender_key(3), ()), NOW + SENDER_KEY_OVERLAP / 2)
    refused(ring, sealed(sender_key(1)), NOW + SENDER_KEY_OVERLAP)
    assert opened(ring, sealed(sender_key(2)), NOW + SENDER_KEY_OVERLAP)


def test_key_numbers_go_on_beyond_their_low_byte() -> None:
    ring = KeyRing(LIFE)
    for number in range(600):
        assert ring.add(OpenedBox(sender_key(number), ()), NOW)
        assert opened(ring, sealed(sender_key(number)))
        assert sum(map(ring.knows, range(number + 1))) == min(number + 1, MAX_KEYS)
        if number >= MAX_KEYS:
            refused(ring, sealed(sender_key(number - MAX_KEYS), 1))
        if number >= 256:
            refused(ring, sealed(sender_key(number - 256), 1))


def test_the_newest_of_keys_with_the_same_low_byte_is_taken() -> None:
    ring = ring_with(sender_key(1), sender_key(257))
    refused(ring, sealed(sender_key(1)))
    assert opened(ring, sealed(sender_key(257)))


def test_an_empty_ring_opens_nothing() -> None:
    refused(KeyRing(LIFE), sealed(sender_key(0)))
