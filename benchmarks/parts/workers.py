"""What workers cost: the same busy rooms on one process, on one worker and on two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import (
    AUDIO_RATE,
    BUSY_PARTICIPANTS,
    BUSY_TALKERS,
    LATE,
    SETTLE,
    Figure,
    Load,
    LoadedRoom,
    batches,
    busy_rooms,
    doubt,
    draining,
    put_under,
)
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.report import Bar, BarChart, Cell, Cost, Table
from benchmarks.harness.server import Server

RECEIVERS = BUSY_PARTICIPANTS - 1
MOST = 2
EFFICIENCY = 0.9
"""Of one worker's capacity, that each of two has to have."""
CHART_AXIS = "CPU µs for each datagram that arrived"


class Share(NamedTuple):
    """So many rooms on so many workers; 0 is the server without any."""

    workers: int
    rooms: int

    def __str__(self) -> str:
        return f"{self.rooms} busy rooms, {self.workers or 'no'} worker{'s' * (self.workers != 1)}"


class _LoadedServer(NamedTuple):
    server: Server
    clients: Clients
    halls: list[LoadedRoom[MediaClient]]


def measure(rooms: int, seconds: float, repeats: int, say: Callable[[str], None]) -> Mapping[Share, Figure]:
    """Return the cost of the same load in all, and of the same load for each worker; in turns."""
    names = [f"room-{n}" for n in range(rooms)]
    shares = [*(Share(workers, rooms) for workers in range(MOST + 1)), Share(1, rooms // MOST)]
    found = {share: Figure() for share in shares}
    with ExitStack() as stack:
        servers = []
        for workers in range(MOST + 1):
            say(f"{workers} workers: logging in")
            server = stack.enter_context(Server(names, {"server.workers": workers}))
            clients = stack.enter_context(Clients(server))
            servers.append(_LoadedServer(server, clients, busy_rooms(clients, names)))
        for loaded in servers:  # not before, for a path lasts 15 s without a datagram
            loaded.clients.prove()
        for _ in range(repeats):
            for share, figure in found.items():
                say(str(share))
                for loaded in servers:  # all paths are to stay
                    loaded.clients.ping()
                server, clients, halls = servers[share.workers]
                load = Load("audio", halls[: share.rooms], AUDIO_RATE * BUSY_TALKERS * share.rooms)
                with draining(load.seats) as counts:
                    clients.rest(SETTLE)
                    ready = batches(load, server.address, seconds)
                    figure.runs.append(put_under(load, ready, server.process.pid, counts, seconds))
    return found


def table(found: Mapping[Share, Figure]) -> Table:
    """Return all costs, beside that of one worker with the same load in all, and with the same load for each."""
    rows: list[tuple[Cell, ...]] = []
    for share, figure in found.items():
        median = figure.median()
        one, fair = found[Share(1, share.rooms)].median().cpu, found.get(Share(1, share.rooms // max(1, share.workers)))
        rows.append(
            (
                share.workers, share.rooms, median.cpu, 100 * figure.spread(), median.cpu / one,
                median.cpu / fair.median().cpu if fair else None, 100 * median.busy, 100 * median.waited,
                100 * median.delivered,
            )
        )  # fmt: skip
    columns = (
        "workers", "busy rooms", "CPU us", "spread %", "times one worker's", "at the same load for each", "core %",
        "waited %", "delivered %",
    )  # fmt: skip
    title = (
        f"Rooms of {BUSY_PARTICIPANTS} over workers: CPU of all processes of the server for each datagram that arrived"
    )
    return Table(title, columns, rows)


def bar(found: Mapping[Share, Figure]) -> Bar:
    """Return whether two workers can carry nearly twice as much as one."""
    most = max(found)
    two, one = found[most].median(), found[Share(1, most.rooms // MOST)].median()
    note = f"the load shares a processor with a worker, which waited {two.waited:.0%}" if two.waited > LATE else ""
    what = f"CPU of {MOST} workers against one, same load for each"
    bar = Bar(what, two.cpu / one.cpu, "x", round(1 / EFFICIENCY, 2), note=note)
    return bar.unless(doubt(("two workers", two), ("one worker", one)))


def costs(found: Mapping[Share, Figure]) -> list[Cost]:
    """Return the medians, for an earlier run to judge."""
    return [Cost(str(share), figure.median().cpu, "us") for share, figure in found.items()]


def chart(found: Mapping[Share, Figure]) -> BarChart:
    """Return the picture."""
    return BarChart("Workers", CHART_AXIS, {str(share): figure.costs for share, figure in found.items()})


def figures(found: Mapping[Share, Figure]) -> list[dict[str, Any]]:
    """Return all runs."""
    return [share._asdict() | run._asdict() for share, figure in found.items() for run in figure.runs]
