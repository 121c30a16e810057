"""Which publications are the low rate of which microphones."""

from tcclient.core.membership.low_rate import low_rate
from tcproto.messages import Kind, PublicationInfo, Source

MICROPHONE, LOW, CAMERA = Source.MICROPHONE, Source.MICROPHONE_LOW, Source.CAMERA


def published(participant: int, number: int, source: Source) -> PublicationInfo:
    kind = Kind.VIDEO if source is CAMERA else Kind.AUDIO
    return PublicationInfo(participant, number, 100 * participant + number, kind, source, "opus")


def test_it_is_that_of_the_microphone_that_was_announced_last_before_it():
    publications = [
        published(2, 4, LOW),
        published(1, 1, MICROPHONE),
        published(1, 2, CAMERA),
        published(1, 3, LOW),
        published(2, 1, MICROPHONE),
        published(2, 3, MICROPHONE),
        published(2, 5, MICROPHONE),
    ]
    pairs = low_rate(publications)
    assert pairs.microphones == {(1, 3): 1, (2, 4): 3}
    assert pairs.streams == {101: 103, 203: 204}


def test_one_without_a_microphone_is_that_of_none():
    assert low_rate([published(1, 1, LOW), published(2, 1, MICROPHONE)]) == low_rate(())
