"""What an object keeps in memory, at any depth: by this a test sees that something is forgotten, or that a peer cannot
make it grow, whatever the object calls it inside."""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

Part = TypeVar("Part")
NOT_KEPT = (type, ModuleType, FunctionType, MethodType)
"""Kinds by which everything would belong to everything."""


def parts_of(whole: object) -> list[Any]:
    """All objects that an object keeps, itself included, each once."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [whole]
    while waiting:
        part = waiting.pop()
        if id(part) not in found and not isinstance(part, NOT_KEPT):
            found[id(part)] = part
            waiting += gc.get_referents(part)
    return list(found.values())


def kept(whole: object, kind: type[Part]) -> list[Part]:
    """The parts of a kind."""
    return [part for part in parts_of(whole) if isinstance(part, kind)]


def largest_table(whole: object) -> int:
    """Entries of the largest table, list or queue in an object."""
    return max(len(part) for part in parts_of(whole) if isinstance(part, dict | list | set | deque))


def size_of(whole: object) -> int:
    """Bytes that an object takes with all its parts."""
    return sum(map(sys.getsizeof, parts_of(whole)))
