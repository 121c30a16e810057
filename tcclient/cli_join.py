"""``tcclient join``."""

from typing import Any


def add_command(commands: Any) -> None:
    """Add the command."""
