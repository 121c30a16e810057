"""What is given up, in words, and sizes of data."""

import json

import pytest

from tcclient.cli.limits import CAUSES, figures, in_words, parse_size, reached, used
from tcclient.core.downlink.cause import NOTHING, Cause
from tcclient.core.downlink.data_meter import FULL, NEAR, DataUse
from tcproto.messages import Kind


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_words_for_pictures_and_for_voices(cause):
    assert in_words(Kind.VIDEO, cause, NOTHING) == f"stopped: {CAUSES[cause]}"
    assert in_words(Kind.VIDEO, cause, 1) == f"is smaller: {CAUSES[cause]}"
    assert in_words(Kind.AUDIO, cause, NOTHING).startswith("is not heard: ")


def test_causes_without_words_are_told_by_other_lines():
    assert set(Cause) - set(CAUSES) == {Cause.HELD, Cause.MUTED, Cause.UNSUBSCRIBED}


@pytest.mark.parametrize(
    ("text", "size"), [("100M", 100_000_000), ("1.5G", 1_500_000_000), ("20k", 20_000), ("7", 7), ("0.25M", 250_000)]
)
def test_sizes(text, size):
    assert parse_size(text, "--data-cap") == size


@pytest.mark.parametrize("text", ["", "0", "M", "-1M", "1T", "100 M", "1,5G", "1e9", "9" * 13, "999999999999G"])
def test_what_is_no_size_is_named(text):
    with pytest.raises(ValueError, match=r"--data-cap is a number .* such as 100M") as caught:
        parse_size(text, "--data-cap")
    assert repr(text) in str(caught.value)


def test_data_in_words_and_for_scripts():
    use = DataUse(1_500_000, 20_000_000, 61_234_000.4)
    assert used(use, 0) == "data: 21.5 MB | up 1.5 MB, down 20.0 MB | 61.2 MB an hour, as now"
    assert used(use, 100_000_000).startswith("data: 21.5 MB, of 100.0 MB | ")
    found = figures(use, 5)
    assert json.loads(json.dumps(found)) == found == {
        "up_bytes": 1_500_000, "down_bytes": 20_000_000, "per_hour_bytes": 61_234_000, "cap_bytes": 5,
    }  # fmt: skip


def test_what_a_cap_means_is_told():
    assert reached(NEAR, 10**8) == "80 % of 100.0 MB of data are used: no pictures come or go any more"
    assert "one voice" in reached(FULL, 10**8)
    assert "again" in reached(0, 10**8)
