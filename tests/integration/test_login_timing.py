"""Nobody learns from a failed login, or from the time it took, whether an account exists."""

import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import pytest
from scipy.stats import ks_2samp

from tcproto.account import Challenge, derive_account_key, effective_salt
from tcproto.identity import SigningKey
from tcproto.link import Link
from tcproto.messages import Error, LoginBegin, LoginChallenge
from tcserver.records import MAX_DEVICES, DeviceRecord
from tcserver.storage.database import Database
from tests.support.processes.raw import Raw, dialled
from tests.support.processes.world import PASSWORD, Run, Server, World, gathered

LOGINS = 200
"""Samples of each sort."""
PER_CONNECTION = 3
AT_ONCE = 50
"""Connections. One address may have 64 that have not logged in."""
SIGNIFICANT = 0.01
ROUNDS = 3
"""Equal distributions miss three times in a row, in any of six comparisons, once in five thousand runs."""
SORTS = {"unknown": "nobody", "wrong password": "kantor-1", "disabled": "off"}
KINDS = {"unknown": "nobody", "existing": "kantor-1", "many devices": "kantor-2", "disabled": "off"}
SAMPLES = int(os.environ.get("LOGIN_TIMING_SAMPLES", "250"))
"""Challenges of each kind; 2,000 take some minutes."""
PER_VISIT = 8
"""Challenges of a connection: ten at once are allowed."""
GUESSED = 0.55
"""How often an observer may tell two kinds apart; chance is 0.5."""


async def disabled_key(link: Link) -> SigningKey:
    """The right key of the disabled account."""
    async with dialled(link) as raw:
        await raw.handshake()
        challenge = await raw.request(LoginBegin("off"))
        costs = Challenge(challenge.salt, challenge.memory_kib * 1024, challenge.passes)
        return derive_account_key(
            PASSWORD, effective_salt(raw.static, "off", costs.salt), costs.memory_bytes, costs.passes
        )


@pytest.mark.parametrize("run", ["uvloop"], indirect=True)
def test_failed_logins_cannot_be_told_apart(run: Run, world: World) -> None:
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    replies = set()
    sizes = set()

    async def attempt(raw: Raw, sort: str, keys: dict[str, SigningKey]) -> None:
        start = time.perf_counter()
        challenge = await raw.request(LoginBegin(SORTS[sort]))
        times["challenge", sort].append(time.perf_counter() - start)
        assert isinstance(challenge, LoginChallenge)
        sizes.add(("challenge", raw.reply_size - len(SORTS[sort])))  # the folded name comes back
        login = raw.login(SORTS[sort], "Sri", keys[sort])
        start = time.perf_counter()
        reply = await raw.request(login)
        times["login", sort].append(time.perf_counter() - start)
        assert isinstance(reply, Error)
        replies.add(reply)

    async def connection(link: Link, sorts: list[str], keys: dict[str, SigningKey]) -> None:
        async with dialled(link) as raw:
            await raw.handshake()
            for sort in sorts:
                await attempt(raw, sort, keys)

    async def main(server: Server) -> None:
        keys = dict.fromkeys(SORTS, SigningKey(b"k" * 32)) | {"disabled": await disabled_key(server.link)}
        sorts = [*SORTS] * LOGINS
        random.Random().shuffle(sorts)
        batches = [sorts[i : i + PER_CONNECTION] for i in range(0, len(sorts), PER_CONNECTION)]
        await gathered(*(connection(server.link, batch, keys) for batch in batches), at_once=AT_ONCE)

    def alike() -> bool:
        return all(
            ks_2samp(times[step, one], times[step, other]).pvalue > SIGNIFICANT
            for step in ("challenge", "login")
            for one, other in combinations(SORTS, 2)
        )

    with world.process("login.back_off_s=0") as server:
        for _ in range(ROUNDS):
            times.clear()
            run(main, server)
            if alike():
                break
    assert alike()
    assert {len(taken) for taken in times.values()} == {LOGINS}
    assert len(replies) == 1
    assert len(sizes) == 1
    assert min(times["login", "unknown"]) > 0.2, "the reply waits"


def guesses(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how often an observer is right.

    It has learnt the best limit between two kinds, and which is the slower one, from the first half of the times.
    """
    half = len(one) // 2
    learnt = sorted((time, kind) for kind, times in enumerate((one, other)) for time in times[:half])
    below, best, limit, sign = 0, 0, 0.0, 1
    for seen, (taken, kind) in enumerate(learnt, 1):
        below += 1 if kind == 0 else -1  # quicker times of the one kind, beyond those of the other
        if abs(below) > best:
            best, sign = abs(below), 1 if below > 0 else -1
            limit = (taken + learnt[min(seen, len(learnt) - 1)][0]) / 2
    right = sum((taken < limit) == (sign > 0) for taken in one[half:])
    right += sum((taken >= limit) == (sign > 0) for taken in other[half:])
    return right / (len(one) + len(other) - 2 * half)


def test_the_observer_sees_what_there_is_to_see() -> None:
    chance = random.Random(3)
    noise = [chance.gauss(0.0, 1.0) for _ in range(4000)]
    assert guesses(noise[:2000], [value + 1 for value in noise[2000:]]) > 0.65
    assert guesses([value + 1 for value in noise[2000:]], noise[:2000]) > 0.65
    assert abs(guesses(noise[:2000], noise[2000:]) - 0.5) < 0.04


@pytest.mark.parametrize("run", ["uvloop"], indirect=True)
def test_challenges_of_all_kinds_of_accounts_come_alike(run: Run, world: World) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    with Database(world.data / "tcserver.db") as database:
        for number in range(MAX_DEVICES):
            database.enroll_device(DeviceRecord("kantor-2", number.to_bytes(32, "big"), "", 0.0))

    async def visit(link: Link, kinds: Sequence[str]) -> None:
        async with dialled(link) as raw:
            await raw.handshake()
            for kind in kinds:
                start = time.perf_counter()
                assert isinstance(await raw.request(LoginBegin(KINDS[kind])), LoginChallenge)
                times[kind].append(time.perf_counter() - start)

    async def main(server: Server) -> None:
        kinds = [*KINDS] * SAMPLES
        random.Random().shuffle(kinds)
        visits = [kinds[i : i + PER_VISIT] for i in range(0, len(kinds), PER_VISIT)]
        await gathered(*(visit(server.link, each) for each in visits), at_once=8)

    def told() -> dict[tuple[str, str], float]:
        return {(one, other): guesses(times[one], times[other]) for one, other in combinations(KINDS, 2)}

    with world.process("login.attempts=100") as server:
        for _ in range(ROUNDS):
            times.clear()
            run(main, server)
            print({kind: f"{statistics.median(taken) * 1000:.3f} ms" for kind, taken in times.items()}, told())
            # The allowed difference, and what chance adds with so few samples, three times out of a thousand.
            if max(told().values()) <= GUESSED + 3 * 0.5 / (SAMPLES**0.5) * (SAMPLES < 2000):
                break
        else:
            raise AssertionError(f"kinds of accounts can be told apart: {told()}")
