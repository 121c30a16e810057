"""Raised hands: one queue that all see in the same order."""

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code


def queue(client: Client) -> list[int]:
    """Return the participants with raised hands, as a client sees them."""
    raised = [member for member in client.view.members.values() if member.hand]
    return [member.participant for member in sorted(raised, key=lambda member: member.hand)]


def meeting() -> tuple[Driver, Client, Client, Client]:
    driver = Driver()
    return driver, driver.participant(), driver.participant(), driver.participant()


def test_hands_stand_in_the_order_in_which_they_were_raised_also_within_a_millisecond_and_with_a_clock_set_back():
    driver, chair, ben, ada = meeting()
    assert isinstance(ben.ask(m.RaiseHand()), m.Ok)
    assert isinstance(ada.ask(m.RaiseHand()), m.Ok)
    driver.unix_ms -= 5000
    assert isinstance(chair.ask(m.RaiseHand()), m.Ok)
    driver.advance(0.1)
    order = [ben.participant, ada.participant, chair.participant]
    assert queue(chair) == queue(ben) == order
    assert isinstance(ben.ask(m.RaiseHand()), m.Ok)
    driver.advance(0.1)
    assert queue(ada) == order, "a hand that is up keeps its place"
    newcomer = driver.participant()
    assert queue(newcomer) == order
    driver.check()


def test_a_hand_is_lowered_by_its_owner_and_by_those_who_may_mute():
    driver, chair, ben, ada = meeting()
    for client in (ben, ada):
        client.ask(m.RaiseHand())
    assert isinstance(ben.ask(m.LowerHand()), m.Ok)
    driver.advance(0.1)
    assert queue(chair) == [ada.participant]
    assert isinstance(ben.ask(m.LowerHand(ben.participant)), m.Ok), "a hand that is down stays down"
    assert error_code(ben.ask(m.LowerHand(ada.participant))) is ErrorCode.NOT_PERMITTED
    assert error_code(ben.ask(m.LowerHand(everybody=True))) is ErrorCode.NOT_PERMITTED
    assert error_code(chair.ask(m.LowerHand(1))) is ErrorCode.NO_SUCH_PARTICIPANT
    assert isinstance(chair.ask(m.LowerHand(ada.participant)), m.Ok)
    driver.advance(0.1)
    assert queue(ben) == []
    for client in (chair, ben, ada):
        client.ask(m.RaiseHand())
    assert isinstance(chair.ask(m.LowerHand(everybody=True)), m.Ok)
    driver.advance(0.1)
    assert queue(ben) == []
    driver.check()


def test_a_hand_goes_with_its_participant():
    driver, chair, ben, _ = meeting()
    ben.ask(m.RaiseHand())
    ben.drop()
    driver.advance(0.1)
    assert queue(chair) == []
    assert queue(driver.participant()) == []
    driver.check()


def test_one_hand_changes_nothing_else_of_a_member():
    driver, chair, ben, _ = meeting()
    before = chair.view.members[ben.participant]
    ben.ask(m.RaiseHand())
    driver.advance(0.1)
    after = chair.view.members[ben.participant]
    assert (after.signature, after.role, after.permissions) == (before.signature, before.role, before.permissions)
