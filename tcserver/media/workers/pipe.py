"""Commands, events and stats as bytes, between the control plane and a media worker.

A frame is a length (4 bytes, big-endian) and a msgpack array of values; a value is an array of its type's place in
``_TYPES`` and its fields. Both ends are the same program, started from the same files: there are no versions. Not
pickle: workers read what strangers send, and what a worker says must not become code in the process that has the
identity key.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgpack

from tcserver.media.interface import Command, Event
from tcserver.media.plane.stats import MediaStats
from tcserver.media.speakers.suppressed import SuppressedSeats
from tcserver.monitoring.histogram import Histogram
from tcserver.monitoring.logs import LogSettings
from tcserver.monitoring.process_stats import ProcessStats

LENGTH_SIZE = 4
Report = MediaStats | ProcessStats | SuppressedSeats
"""What a worker tells of itself, besides events."""
_TYPES: tuple[type, ...] = (
    *typing.get_args(Command),
    *typing.get_args(Event),
    *typing.get_args(Report),
    LogSettings,
)
_PLACES = {type_: place for place, type_ in enumerate(_TYPES)}


def encode(values: Iterable[Command | Event | Report | LogSettings]) -> bytes:
    """Return a frame."""
    body: bytes = msgpack.packb([[_PLACES[type(value)], *_fields(value)] for value in values], default=_fields)
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


def decode(body: bytes) -> list[Any]:
    """Return the values of a frame, given without its length; raises ``ValueError``."""
    try:
        return [_READERS[place](fields) for place, *fields in msgpack.unpackb(body, use_list=False)]
    except (TypeError, LookupError, ValueError, msgpack.UnpackException) as error:
        raise ValueError(f"no frame: {error}") from error


def _fields(value: Any) -> list[Any]:
    if isinstance(value, Histogram):
        return [value.bounds, value.counts, value.sum]
    return [getattr(value, field.name) for field in dataclasses.fields(value)]


def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that makes a value of a type from what msgpack has made of it."""
    if typing.get_origin(kind) is tuple:
        item = _reader(typing.get_args(kind)[0])
        return lambda values: tuple(map(item, values))
    if typing.get_origin(kind) in (dict, Mapping):
        key, item = map(_reader, typing.get_args(kind))
        return lambda values: {key(name): item(value) for name, value in values.items()}
    if isinstance(kind, types.UnionType):
        (known,) = (choice for choice in typing.get_args(kind) if choice is not types.NoneType)
        some = _reader(known)
        return lambda value: None if value is None else some(value)
    if kind is Histogram:
        return _histogram
    if issubclass(kind, enum.Enum):
        return lambda value: kind(value)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        readers = [_reader(of) for of in typing.get_type_hints(kind).values()]
        if all(read is _same for read in readers) and hasattr(kind, "_make"):
            make: Callable[[Any], Any] = kind._make  # the fastest, for receivers, of which there may be many
            return make
        return lambda values: kind(*(read(value) for read, value in zip(readers, values, strict=True)))
    return _same


def _histogram(values: Any) -> Histogram:
    bounds, counts, total = values
    histogram = Histogram(bounds)
    histogram.counts, histogram.sum = list(counts), total
    return histogram


def _same(value: Any) -> Any:
    return value


_READERS = [_reader(type_) for type_ in _TYPES]
