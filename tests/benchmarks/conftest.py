"""What tests of whole benchmarks share."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def all_processors() -> Iterator[None]:
    """Afterwards this process may use all processors again: a benchmark takes one of them from itself."""
    processors = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, processors)
