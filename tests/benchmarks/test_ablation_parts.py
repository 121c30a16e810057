"""What can be measured without a server."""

import sys

import pytest

from benchmarks.ablation import ON_ASYNCIO, VARIANTS, seals
from benchmarks.seats import Clients, Server


def test_a_seal_for_the_room_costs_a_share_of_one_for_each_receiver():
    rows = seals().rows
    assert [row[:2] for row in rows] == [("audio", 34), ("audio", 100), ("video", 34), ("video", 100)]
    assert all(abs(row[2] * row[1] - row[3]) < 1e-9 for row in rows)


def test_variants_have_names_of_their_own():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
def test_the_server_runs_on_the_loop_of_the_standard_library():
    with Server(["hall"], program=ON_ASYNCIO) as server, Clients(server) as clients:
        assert len(clients.join("hall", 2)) == 2
        clients.visit("hall", 1)
        clients.prove()
