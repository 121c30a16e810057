"""Values of options; a wrong one is told before anything starts."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> float:
    """Return a number above 0; raises ``ArgumentTypeError``."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: not a number") from None
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: more than 0")
    return value


def positive_whole(text: str) -> int:
    """Return a whole number above 0; raises ``ArgumentTypeError``."""
    value = _int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: more than 0")
    return value


def whole(text: str) -> int:
    """Return a whole number, 0 or above; raises ``ArgumentTypeError``."""
    value = _int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: less than 0")
    return value


def share(text: str) -> float:
    """Return a number, 0 or above; raises ``ArgumentTypeError``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: not a share such as 0.2")
    return value


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: not a whole number") from None
