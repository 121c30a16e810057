"""What an account may cost.

An account beyond it is told, then slowed, then closed. Its sessions share it, and no others.
"""

from __future__ import annotations

from itertools import count

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference import Rate, Settings
from tcserver.conference.limits import budget
from tcserver.conference.limits.budget import DEBT, MAX_BUDGETS, MAX_RESTS, Budget, Budgets, Solvency
from tcserver.conference.settings import MessageClass
from tests.support.conference.driver import Driver, error_code
from tests.support.conference.identities import make_account
from tests.support.memory import largest_table

RATE = Rate(5_000, 50_000)
"""A twentieth of the usual, so that less has to be sent."""
BUDGET = {"limits__account_ms_per_s": RATE.per_second / 1000, "limits__account_burst_ms": RATE.burst / 1000}
FREE = Rate(60_000, 10**9)
MANY = {"limits__messages_per_s": FREE.per_second, "limits__message_burst": FREE.burst}


def driver(**settings: object) -> Driver:
    """A conference in which nothing but the budget is in the way."""
    rates = dict.fromkeys(MessageClass, FREE)
    return Driver(rates=rates, **{**BUDGET, **MANY, **settings})


def boxes(client: object, number: int = 64) -> m.KeyBoxes:
    return m.KeyBoxes(tuple(m.AddressedBox(client.participant, bytes(300)) for _ in range(number)))


def chat(number: int) -> m.Chat:
    return m.Chat(number.to_bytes(16, "big"), m.ChatScope.ROOM, sealed=b"halo")


FLOODS = {
    "unknown requests": lambda client, n: client.send_raw(m.Unknown("future"), 60_000),
    "subscriptions": lambda client, n: client.ask(m.Subscribe(n, (), tuple(m.StreamChoice(i) for i in range(100)))),
    "snapshots": lambda client, n: client.ask(m.GetSnapshot()),
    "texts": lambda client, n: client.ask(chat(n)),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_whoever_asks_too_much_is_told_then_slowed_then_closed(flood: object) -> None:
    world = driver()
    attacker = world.participant(account="attacker")
    others = [world.participant(account=f"other-{n}") for n in range(4)]
    began, told = world.now, 0
    for number in range(1, 200_000):
        if attacker.is_gone:
            break
        reply = flood(attacker, number)
        if error_code(reply) is ErrorCode.RATE_LIMITED:
            told += 1
            assert 0 < reply.retry_after_ms <= 1000 * DEBT * RATE.burst / RATE.per_second + 1000
            if told == 1:
                assert not world.rested
    assert told > 1
    assert len(world.rested) == MAX_RESTS
    assert max(world.rested) < 3, "shorter than what counts as dead"
    assert attacker.closed.code is ErrorCode.RATE_LIMITED
    assert attacker.closed.retry_after_ms > 0
    assert world.now - began < 60
    assert not any(other.is_gone for other in others)
    assert world.conference.limited["closed"] == 1
    world.check()


def test_the_wait_that_is_told_is_true() -> None:
    world = driver()
    client = world.participant()
    number = 0
    while error_code(reply := client.ask(chat(number := number + 1))) is None:
        pass
    wait = reply.retry_after_ms / 1000
    world.advance(wait - 0.002)
    early = client.ask(chat(0))
    assert error_code(early) is ErrorCode.RATE_LIMITED
    world.advance(early.retry_after_ms / 1000)
    assert isinstance(client.ask(chat(0)), m.ChatAccepted)


def test_keys_are_charged_for_those_they_go_to_and_never_refused() -> None:
    world = driver()
    sender, receiver = world.participant(account="a"), world.participant(account="b")
    before = left(world, "a")
    sender.tell(m.KeyBoxes((m.AddressedBox(receiver.participant, b"box"),)))
    alone = before - left(world, "a")
    assert alone > budget.DELIVERY_COST
    third = [world.participant(account=f"c{n}") for n in range(8)]
    before = left(world, "a")
    sender.tell(m.KeyBoxes(tuple(m.AddressedBox(client.participant, b"box") for client in third)))
    spent = before - left(world, "a")
    assert spent - alone > 6 * budget.DELIVERY_COST
    others = [world.participant(account=f"d{n}") for n in range(20)]  # one alone may not be sent so many
    sent = 0
    while not world.rested:
        sender.tell(boxes(others[sent % len(others)], 1))
        sent += 1
    world.advance(1)
    assert sum(len(other.got(m.KeyBoxes)) for other in others) == sent > 400


def left(world: Driver, name: str) -> float:
    """What an account may spend now."""
    account = world.conference.context.budget(world.accounts[name], world.now)
    return account._bucket.fill(world.now)


def test_sessions_of_an_account_share_its_budget_and_a_new_login_brings_no_new_one() -> None:
    world = driver()
    flooding, colleague, other = (
        world.participant(account="a"),
        world.participant(account="a"),
        world.participant(account="b"),
    )
    number = 0
    while error_code(flooding.ask(chat(number := number + 1))) is None:
        pass
    assert error_code(colleague.ask(chat(1))) is ErrorCode.RATE_LIMITED
    assert error_code(other.ask(chat(1))) is None
    flooding.drop()
    again = world.user(account="a")
    assert error_code(again.ask(m.OpenRoom("room"))) is ErrorCode.RATE_LIMITED
    # A session that does little is not closed for what a colleague does.
    for _ in range(2 * MAX_RESTS):
        colleague.ask(m.Ping(1))
        world.advance(5)
    assert not colleague.is_gone


def test_a_large_meeting_is_within_the_budget() -> None:
    """A hundred agencies of five participants, and all send: after a leave each makes a key for everybody."""
    account = Budget(Settings().account_cost, 5, 0.0)
    for leave in range(30):
        for _ in range(5):
            batches = 500 / 64
            account.spend(batches * (budget.FRAME_COST + budget.BYTE_COST * 20_000) + 500 * budget.DELIVERY_COST)
        assert account.solvency(leave * 2.0) is Solvency.GOOD, leave


def test_budgets_are_bounded_and_a_changed_rate_holds_at_once() -> None:
    budgets = Budgets()
    accounts = [make_account(f"a{n}", n + 1) for n in range(MAX_BUDGETS + 1)]
    first = budgets.of(accounts[0], RATE, 0.0)
    first.spend(1_050_000)
    for account in accounts[1:-1]:
        budgets.of(account, RATE, 0.0)
    assert budgets.of(accounts[0], Rate(1_000_000, 1_000_000), 0.0) is first
    assert first.wait(0.5) == pytest.approx(0.5)
    budgets.of(accounts[-1], RATE, 0.0)
    assert largest_table(budgets) == MAX_BUDGETS
    assert budgets.of(accounts[0], RATE, 0.0) is first, "the one that was not used for longest has gone"


def test_what_a_message_took_is_charged_once() -> None:
    world = driver()
    client = world.participant(account="a")
    for n in range(4):
        world.participant(account=f"b{n}")
    account = world.conference.context.budget(world.accounts["a"], world.now)

    numbers = count(1)

    def cost(took: float) -> float:
        before = left(world, "a")
        client.ask(chat(next(numbers)))
        world.conference.spent(client.connection, took)
        return before - account._bucket._tokens

    estimate = cost(0.0)
    assert estimate == pytest.approx(budget.FRAME_COST + 200 * budget.BYTE_COST + 4 * budget.DELIVERY_COST)
    assert cost(estimate - 1) == pytest.approx(estimate)
    assert cost(5000.0) == pytest.approx(5000.0)
    world.conference.spent(client.connection, 5000.0)
    assert cost(0.0) == pytest.approx(estimate)
    client.drop()
    world.conference.spent(client.connection, 5000.0)
