"""Sizes from differences of resident memory."""

import os
import sys

import pytest

from benchmarks.commands.memory import Sizes, size_row, slope, solve
from benchmarks.harness.procfs import resident


def test_sizes_are_differences_for_each():
    grown = {"sessions": 1000, "seats": 3000, "streams": 3600, "rooms": 5000}
    sizes = solve(grown, 100)
    assert sizes == Sizes(session=10, seat=30, stream=2, room=40)
    assert sizes.participant == 36


def test_the_median_of_the_runs_counts_and_their_range_is_told():
    assert size_row("loom", [4096, 1024, 2048]) == ("loom", 2.0, "KiB", "1.0 to 4.0")


def test_only_the_second_half_counts_as_growth():
    assert slope([(10, 5000), (20, 6000), (30, 6500), (40, 6400)]) == 20


@pytest.mark.skipif(sys.platform != "linux", reason="needs smaps_rollup of Linux")
def test_this_process_is_resident():
    assert resident(os.getpid()) > 1 << 20
