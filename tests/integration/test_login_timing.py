"""Nobody learns from a failed login, or from the time it took, whether an account exists."""

import random
import time
from collections import defaultdict
from itertools import combinations

import pytest
from scipy.stats import ks_2samp

from tcproto.account import Challenge, derive_account_key, effective_salt
from tcproto.identity import SigningKey
from tcproto.link import Link
from tcproto.messages import Error, LoginBegin, LoginChallenge
from tests.integration.raw import Raw, dialled
from tests.integration.world import PASSWORD, Run, Server, World, gathered

LOGINS = 200
"""Of each sort."""
PER_CONNECTION = 3
AT_ONCE = 50
"""Connections; those of one address that have not logged in are limited to 64."""
SIGNIFICANT = 0.01
ROUNDS = 3
"""Equal distributions miss three times in a row, in any of six comparisons, once in five thousand runs."""
SORTS = {"unknown": "nobody", "wrong password": "kantor-1", "disabled": "off"}


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
        sizes.add(("challenge", raw.reply_size))
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

    with world.process() as server:
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
