"""Doubts about a participant, in words."""

import pytest

from tcclient.cli.marks import WORDS, Mark, described, in_words, mark_words, marks_of
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
