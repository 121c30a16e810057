"""Fixtures for all tests."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.register_profile("quick", deadline=None, max_examples=20)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real recordings beside the checkout. Tests that need it are skipped if it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "media"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}")
    return folder
