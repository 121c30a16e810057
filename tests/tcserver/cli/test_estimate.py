"""What a meeting takes: the sizes are those of the protocol, and the sums are right."""

from __future__ import annotations

import json
import re

import pytest

from tcproto.datagram import RELAY_TIME_SIZE, Item, ItemType, Kind, pack_header, pack_items, seal
from tcproto.packet import AUDIO_PADDING_STEP, AudioHeader, seal_packet
from tcserver.cli.estimate import PICTURE_KBIT_S, VOICE_DOWN_KBIT_S, VOICE_UP_KBIT_S, Meeting, bearable, rates
from tests.support.server_command import Run

OPUS = 63
"""Bytes of Opus in a packet of 20 ms at 25.2 kbit/s."""
IP_AND_UDP = 28


def test_a_voice_has_the_size_that_the_protocol_gives_it() -> None:
    packet = seal_packet(AudioHeader(1, 0, 0, 0, 0), bytes(OPUS), bytes(32), AUDIO_PADDING_STEP)
    up = seal(pack_header(Kind.UP, 0, 1, 0), pack_items([Item(ItemType.PACKET, packet)]), bytes(32))
    items = pack_items([Item(ItemType.PACKET, bytes(2) + packet)])
    down = seal(pack_header(Kind.ROOM, 0, 1, 0), bytes(RELAY_TIME_SIZE) + items, bytes(32))
    for datagram, rate in ((up, VOICE_UP_KBIT_S), (down, VOICE_DOWN_KBIT_S)):
        assert rate == pytest.approx((len(datagram) + IP_AND_UDP) * 8 * 50 / 1000)


def test_each_voice_and_picture_goes_to_all_others() -> None:
    found = rates(Meeting(35, 3, 4, 35, PICTURE_KBIT_S))
    assert found.server_sends == pytest.approx(34 * (3 * 62.8 + 4 * 630))
    assert found.server_receives == pytest.approx(35 * 60.4 + 4 * 630), "all microphones are open, and three are heard"
    assert found.watcher_receives == pytest.approx(3 * 62.8 + 4 * 630)
    assert found.speaker_receives == pytest.approx(2 * 62.8 + 3 * 630)
    assert found.speaker_sends == pytest.approx(60.4 + 630)


def test_what_the_sources_send_and_the_server_sends_is_what_is_received() -> None:
    """Two speak and show, three only watch."""
    found = rates(Meeting(5, 2, 2, 2, 100.0))
    assert found.server_receives == pytest.approx(2 * found.speaker_sends)
    assert found.server_sends == pytest.approx(2 * found.speaker_receives + 3 * found.watcher_receives)


def test_a_line_bears_what_it_can_send_and_no_more() -> None:
    meeting = Meeting(35, 3, 4, 3, PICTURE_KBIT_S)
    for line in (2_000.0, 20_000.0, 100_000.0):
        most = bearable(meeting, line)
        assert rates(meeting._replace(participants=most)).server_sends <= line
        assert rates(meeting._replace(participants=most + 1)).server_sends > line
    assert bearable(Meeting(35, 0, 0, 0, PICTURE_KBIT_S), 1.0) == 1000, "nothing is sent"


def test_the_table_and_its_figures(run: Run) -> None:
    options = ["--voices", "3", "--cameras", "4", "--hours", "2", "--price", "5000", "--line", "20"]
    table = run("estimate", *options).out
    assert re.search(r"^server sends +92\.1 Mbit/s +41\.4 GB +82\.9 GB +414,38\d$", table, re.MULTILINE)
    assert re.search(r"^speaker sends +690 kbit/s +311 MB +621 MB +3,107$", table, re.MULTILINE)
    assert table.endswith("a line of 20 Mbit/s bears 8 participants: NOT enough\n")
    figures = json.loads(run("estimate", *options, "--json").out)
    assert figures["watcher_receives"] == {"kbit_s": 2708.4, "mb_an_hour": 1218.8, "mb": 2437.6, "costs": 12188.0}
    assert figures["line_bears"] == 8
    assert "COSTS" not in run("estimate").out
    assert run("estimate", "--line", "20").out.endswith("bears 107 participants: enough\n")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--participants", "1"], "a meeting has at least 2"),
        (["--voices", "36"], "not more voices, cameras or microphones than participants"),
        (["--voices", "4", "--microphones", "3"], "each voice has one"),
        (["--hours", "nan"], "'nan' should be a number from 0"),
        (["--price", "-1"], "'-1' should be a number from 0"),
        (["--line", "fast"], "'fast' should be a number from 0"),
        (["--cameras", "1001"], "'1001' should be a whole number from 0 to 1000"),
    ],
)
def test_what_makes_no_meeting_is_refused(run: Run, options: list[str], reason: str) -> None:
    result = run("estimate", *options)
    assert (result.status, result.out) == (2, "")
    assert reason in result.err
