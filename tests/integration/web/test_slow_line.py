"""The page on a line that gets slow: pictures are unsubscribed, and the person gets advice in their language."""

from dataclasses import replace

from playwright.sync_api import expect

from benchmarks.harness.slow_line import Throttle, slow_line
from tests.support.processes.world import Server
from tests.support.visitor import Arrive

SLOW = 40_000
"""Bits per second: less than sound alone takes, so that the line stays poor."""


def test_pictures_are_given_up_on_a_slow_line_and_advice_is_given(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Slow")
    throttle = Throttle()
    with slow_line(("127.0.0.1", link.port), SLOW, throttle) as (_, port):
        siti, budi = arrive(), arrive()
        siti.join(link, "kantor-1", "Siti")
        budi.join(replace(link, host="127.0.0.1", port=port), "kantor-2", "Budi")
        picture = budi.picture("Siti")
        expect(picture).to_be_visible()
        throttle.turn_on()
        advice = budi.page.get_by_role("status").filter(has_text="weak on the way from the server")
        expect(advice).to_be_visible()
        expect(picture).to_have_count(0)
        expect(budi.tile("Siti")).to_contain_text("Slow connection: picture paused")
        budi.button("Settings").click()
        budi.field("Language").select_option("id")
        saran = budi.page.get_by_role("status").filter(has_text="Sambungan Anda dari server lemah")
        expect(saran).to_be_visible()
        budi.keep("slow")
    expect(siti.tile("Budi")).to_be_visible()
