"""The world of a scenario."""

import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.simulation.world import World


@pytest.fixture
def make_world(request: pytest.FixtureRequest) -> Callable[..., World]:
    """Make worlds.

    The seed comes from the name of the test, or from SIMULATION_SEED. It is shown when the test fails.
    """
    seed = int(os.environ.get("SIMULATION_SEED", zlib.crc32(request.node.name.encode())))
    print(f"SIMULATION_SEED={seed}")

    def make(seed: int = seed, **settings: Any) -> World:
        return World(seed, **settings)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world with the usual settings."""
    return make_world()
