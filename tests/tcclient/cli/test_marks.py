"""Doubts about a participant, in words."""

import pytest

from tcclient.cli.marks import WORDS, Mark, described, in_words, mark_words, marks_of, may_send
from tcproto.messages import Permission
from tests.tcclient.cli.test_output import somebody


def test_every_mark_has_words() -> None:
    assert set(WORDS) == set(Mark)
    assert len(set(WORDS.values())) == len(WORDS)


@pytest.mark.parametrize(
    ("attribute", "mark"),
    [("silent", Mark.SILENT), ("mismatch", Mark.OTHER_MEMBERS), ("key_mismatch", Mark.OTHER_KEY)],
)
def test_each_doubt_is_a_mark_of_its_own(attribute: str, mark: Mark) -> None:
    who = somebody(2, "Budi")
    assert marks_of(who) == []
    assert mark_words(who) == ""
    setattr(who, attribute, True)
    assert marks_of(who) == [mark]
    assert mark_words(who) == f" ({WORDS[mark]})"
    assert described(who, ())["marks"] == [str(mark)]


def test_several_doubts_stand_together() -> None:
    who = somebody(2, "Budi", verified=False)
    who.silent = True
    assert mark_words(who) == " (NOT VERIFIED, silent)"
    assert in_words(who, ()) == "Kantor / Budi [speaker] only listens (NOT VERIFIED, silent)"


def test_ourselves_are_told_apart() -> None:
    assert in_words(somebody(1, "Sri", me=True), ()) == "Kantor / Sri (you) [speaker] only listens"
    assert described(somebody(1, me=True), ())["me"] is True


def test_raised_hands_have_their_place_in_the_line() -> None:
    first, last, other = somebody(1, hand=7), somebody(2, hand=9), somebody(3)
    lines = [in_words(who, (), (first, last)) for who in (first, last, other)]
    assert [line.partition("listens")[2] for line in lines] == [
        ", hand raised (1 of 2)",
        ", hand raised (2 of 2)",
        "",
    ]


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        (0, "nothing"),
        (Permission.SUBSCRIBE | Permission.CHAT_PRIVATE, "nothing"),
        (Permission.PUBLISH_AUDIO | Permission.CHAT_ROOM, "sound, texts to all"),
        (0x0FFF, "sound, pictures, a screen, texts to all"),
    ],
)
def test_what_somebody_may_send_is_told_in_words(permissions: int, words: str) -> None:
    assert may_send(somebody(1, permissions=permissions)) == words
