"""Metrics in the exposition format of Prometheus. They read the counters of others, and count nothing themselves."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tcserver.conference import Conference
from tcserver.media.lanes.lane import Weight
from tcserver.media.plane.stats import MediaStats
from tcserver.monitoring.histogram import Histogram
from tcserver.monitoring.process_stats import ProcessStats
from tcserver.version import version
from tcserver.web.service import WebService

MAIN_PROCESS = "main"
"""Label of the process that was started. It serves all control connections and, without workers, all media."""
S = TypeVar("S", bound=str)
CONTENT_TYPE: str = CONTENT_TYPE_LATEST
MEDIA_COUNTERS: Mapping[str, tuple[str, str]] = {
    "received": ("datagrams_received", "Datagrams that arrived, bad ones included."),
    "received_bytes": ("received_bytes", "Bytes of UDP payload that arrived."),
    "accepted": ("datagrams_accepted", "Datagrams that could be opened."),
    "uplink_sent": (
        "uplink_datagrams_sent",
        "Datagrams that participants have sent, as their counters tell.",
    ),
    "uplink_received": ("uplink_datagrams_received", "Datagrams of participants that arrived."),
    "uplink_reordered": ("uplink_datagrams_reordered", "Datagrams of participants that a later one overtook."),
    "uplink_pings": ("uplink_pings", "Pings on the media path that arrived."),
    "uplink_late": (
        "uplink_pings_late",
        "Pings on the media path that took at least 0.2 s longer than the quickest of their seat.",
    ),
    "forwarded": ("packets_forwarded", "Packets that went to at least one receiver, once for each variant."),
    "held": ("packets_held", "Audio packets that were not forwarded because others are louder."),
    "sealed": ("datagrams_sealed", "Room datagrams that were sealed."),
    "sent": ("datagrams_sent", "Datagrams given to sockets, once for each receiver."),
    "sent_bytes": ("sent_bytes", "Bytes of UDP payload given to sockets."),
    "repeated": ("datagrams_repeated", "Room datagrams that were lost, and sent again to a receiver that asked."),
    "relayed_out": ("datagrams_relayed_out", "Room datagrams sent to other media workers, once for each worker."),
    "relayed_in": ("datagrams_relayed_in", "Room datagrams received from other media workers."),
}
"""Name (after ``tcserver_media_``) and help, by the attribute of ``Counters``."""


class Metrics(Collector):
    """Collects metrics of a conference, its media planes and the processes.

    ``media`` returns what each media plane tells, ``processes`` what this process and then each worker tell. ``web`` is
    the web of the server, None if it is off.
    """

    def __init__(
        self,
        conference: Conference,
        media: Callable[[], Sequence[MediaStats]],
        processes: Callable[[], Sequence[ProcessStats]],
        web: WebService | None = None,
    ) -> None:
        self._conference = conference
        self._media = media
        self._processes = processes
        self._web = web
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def exposition(self) -> bytes:
        """Return all metrics as text of ``CONTENT_TYPE``."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the server."""
        yield _gauge(
            "tcserver_build_info", "The version that runs.", 1, version=version(), python=platform.python_version()
        )
        yield from self._control()
        media = self._media()
        yield from _traffic(media)
        yield from _packets(media)
        yield from _paths(media)
        yield from _sending(media)
        yield from _holdings(media)
        yield from _runtime(self._processes())
        if self._web is not None:
            yield from _web(self._web)

    def _control(self) -> Iterator[Metric]:
        conference = self._conference
        yield _gauge("tcserver_connections", "Control connections.", conference.connections)
        yield _gauge("tcserver_connections_half_open", "Connections before their login.", conference.half_open)
        yield _gauge("tcserver_sessions", "Sessions that are logged in.", conference.sessions)
        yield _gauge("tcserver_sessions_detached", "Sessions that wait for a connection.", conference.detached)
        yield _gauge("tcserver_rooms", "Open rooms.", conference.rooms)
        yield _gauge("tcserver_seats", "Seats in all rooms.", conference.seats)
        publications = GaugeMetricFamily(
            "tcserver_publications", "Microphones, cameras and screens that are on.", labels=["source"]
        )
        for source, number in conference.publications.items():
            publications.add_metric([source], number)
        yield publications
        yield _counter("tcserver_refusals", "Requests that were refused, by reason.", "code", conference.refusals)
        yield _counter(
            "tcserver_limited",
            "Messages above a rate, by class. all: connections closed for the rate of all messages.",
            "class",
            conference.limited,
        )
        yield _counter("tcserver_crashes", "Errors of this program, by what failed.", "where", conference.crashes)
        yield _counter("tcserver_events", "Other events, and things that were ignored.", "event", conference.counters)


def _traffic(media: Sequence[MediaStats]) -> Iterator[Metric]:
    for attribute, (name, text) in MEDIA_COUNTERS.items():
        family = CounterMetricFamily(f"tcserver_media_{name}", text, labels=["worker"])
        for worker, stats in enumerate(media):
            family.add_metric([str(worker)], getattr(stats.counters, attribute))
        yield family
    drops = CounterMetricFamily(
        "tcserver_media_drops", "Datagrams, items and packets dropped, by reason.", labels=["worker", "reason"]
    )
    for worker, stats in enumerate(media):
        for reason, number in stats.counters.drops.items():
            drops.add_metric([str(worker), reason], number)
    yield drops
    faults = CounterMetricFamily(
        "tcserver_media_crashes", "Errors of this program, by what failed.", labels=["worker", "where"]
    )
    for worker, stats in enumerate(media):
        for fault, number in stats.counters.faults.items():
            faults.add_metric([str(worker), fault], number)
    yield faults
    latency = HistogramMetricFamily(
        "tcserver_media_forward_latency_seconds",
        "From the arrival of a batch of datagrams in the process to the end of its sending.",
        labels=["worker"],
    )
    for worker, stats in enumerate(media):
        _add(latency, [str(worker)], stats.latency)
    yield latency


def _packets(media: Sequence[MediaStats]) -> Iterator[Metric]:
    family = CounterMetricFamily(
        "tcserver_media_packets",
        "Packets by the kind of their stream. received: all; forwarded: once for each variant.",
        labels=["worker", "kind", "direction"],
    )
    for worker, stats in enumerate(media):
        counters = stats.counters
        for direction, packets in (("received", counters.packets_received), ("forwarded", counters.packets_forwarded)):
            for kind, number in packets.items():
                family.add_metric([str(worker), kind, direction], number)
    yield family


def _paths(media: Sequence[MediaStats]) -> Iterator[Metric]:
    changes = CounterMetricFamily(
        "tcserver_media_paths",
        "Changes of paths, UDP or streams: proven, moved to another address, came back, lost.",
        labels=["worker", "change"],
    )
    rtt = HistogramMetricFamily(
        "tcserver_media_rtt_seconds", "Round trips to clients, one each time that a path is proven.", labels=["worker"]
    )
    delay = HistogramMetricFamily(
        "tcserver_media_uplink_delay_seconds",
        "Seconds by which pings on the media path took longer than the quickest of their seat.",
        labels=["worker"],
    )
    for worker, stats in enumerate(media):
        for change, number in stats.counters.paths.items():
            changes.add_metric([str(worker), change], number)
        _add(rtt, [str(worker)], stats.rtt)
        _add(delay, [str(worker)], stats.uplink_delay)
    yield from (changes, rtt, delay)


def _sending(media: Sequence[MediaStats]) -> Iterator[Metric]:
    taken = CounterMetricFamily(
        "tcserver_media_datagrams_taken", "Datagrams that the kernel took, once for each receiver.", labels=["worker"]
    )
    trains = CounterMetricFamily(
        "tcserver_media_refused_trains",
        "Trains of datagrams that were sent one by one, because the kernel cannot split them on that path.",
        labels=["worker"],
    )
    cloned = CounterMetricFamily(
        "tcserver_media_datagrams_cloned",
        "Datagrams that the kernel has cloned for a receiver, with media.sender = bpf.",
        labels=["worker"],
    )
    not_cloned = CounterMetricFamily(
        "tcserver_media_datagrams_not_cloned",
        "Datagrams that were given to the kernel one by one although media.sender is bpf, by reason.",
        labels=["worker", "reason"],
    )
    device_drops = CounterMetricFamily(
        "tcserver_media_device_drops",
        "Packets that devices of the machine had no room for, whoever sent them, while media.sender is bpf.",
        labels=["worker"],
    )
    errors = CounterMetricFamily(
        "tcserver_media_send_errors",
        "Datagrams that could not be sent, by error.",
        labels=["worker", "error"],
    )
    gave_way = CounterMetricFamily(
        "tcserver_media_gave_way",
        "Datagrams dropped while they waited for room in the buffer of a socket, by size. large: video; small: audio.",
        labels=["worker", "size"],
    )
    waiting = GaugeMetricFamily(
        "tcserver_media_waiting_messages", "Messages that wait for room in the buffer of a socket.", labels=["worker"]
    )
    queues = GaugeMetricFamily(
        "tcserver_media_socket_queue_bytes",
        "Bytes in the queues of the kernel, by direction and socket.",
        labels=["worker", "socket", "direction"],
    )
    overflow = CounterMetricFamily(
        "tcserver_media_socket_drops",
        "Datagrams that the kernel dropped because its queue was full.",
        labels=["worker", "socket"],
    )
    for worker, stats in enumerate(media):
        taken.add_metric([str(worker)], stats.kernel_sent)
        trains.add_metric([str(worker)], stats.refused_trains)
        cloned.add_metric([str(worker)], stats.cloned)
        device_drops.add_metric([str(worker)], stats.device_drops)
        waiting.add_metric([str(worker)], stats.waiting)
        for reason, number in stats.not_cloned.items():
            not_cloned.add_metric([str(worker), reason], number)
        for error, number in stats.errors.items():
            errors.add_metric([str(worker), error], number)
        for size in Weight:
            gave_way.add_metric([str(worker), size], stats.gave_way.get(size, 0))
        for local, state in enumerate(stats.sockets):
            queues.add_metric([str(worker), str(local), "receive"], state.receive_queue)
            queues.add_metric([str(worker), str(local), "send"], state.send_queue)
            overflow.add_metric([str(worker), str(local)], state.drops)
    yield from (taken, trains, cloned, not_cloned, device_drops, errors, gave_way, waiting, queues, overflow)


def _holdings(media: Sequence[MediaStats]) -> Iterator[Metric]:
    holdings: dict[str, tuple[str, Callable[[MediaStats], float]]] = {
        "rooms": ("Rooms of the worker.", lambda stats: stats.counts.rooms),
        "seats": ("Seats of the worker.", lambda stats: stats.counts.seats),
        "seats_proven": ("Seats that UDP or a stream reaches.", lambda stats: stats.counts.proven),
        "streams": ("Streams, beacons included.", lambda stats: stats.counts.streams),
    }
    for name, (text, value) in holdings.items():
        family = GaugeMetricFamily(f"tcserver_media_{name}", text, labels=["worker"])
        for worker, stats in enumerate(media):
            family.add_metric([str(worker)], value(stats))
        yield family


def _runtime(processes: Sequence[ProcessStats]) -> Iterator[Metric]:
    lag = HistogramMetricFamily(
        "tcserver_loop_lag_seconds",
        "Seconds by which the event loop was late, measured ten times a second.",
        labels=["process"],
    )
    pauses = HistogramMetricFamily(
        "tcserver_gc_pause_seconds",
        "Seconds of garbage collections, during which the process does nothing else.",
        labels=["process", "generation"],
    )
    cpu = CounterMetricFamily("tcserver_process_cpu_seconds", "Processor time in seconds.", labels=["process"])
    memory = GaugeMetricFamily(
        "tcserver_process_resident_memory_bytes", "Resident memory in bytes.", labels=["process"]
    )
    log = CounterMetricFamily(
        "tcserver_log_dropped", "Lines of the log that were dropped because nobody read them.", labels=["process"]
    )
    for number, stats in enumerate(processes):
        process = f"worker {number - 1}" if number else MAIN_PROCESS
        _add(lag, [process], stats.loop_lag)
        for generation, pause in enumerate(stats.pauses):
            _add(pauses, [process, str(generation)], pause)
        cpu.add_metric([process], stats.cpu)
        log.add_metric([process], stats.log_dropped)
        if stats.memory is not None:
            memory.add_metric([process], stats.memory)
    yield from (lag, pauses, cpu, memory, log)


def _web(web: WebService) -> Iterator[Metric]:
    counters = web.counters
    yield _gauge("tcserver_web_connections", "Connections of browsers, without those in a meeting.", web.connections)
    yield _counter(
        "tcserver_web_accepted",
        "Connections that were not control connections, by first bytes.",
        "kind",
        counters.accepted,
    )
    yield CounterMetricFamily("tcserver_web_crowded", "Connections closed to make room for new ones.", counters.crowded)
    yield CounterMetricFamily("tcserver_web_tls_handshakes", "TLS handshakes that were completed.", counters.handshakes)
    yield _counter(
        "tcserver_web_tls_failures", "TLS handshakes that failed, by reason.", "reason", counters.failed_handshakes
    )
    requests = {str(int(status)): number for status, number in counters.requests.items()}
    yield _counter("tcserver_web_requests", "Requests, by the status of their answer.", "status", requests)


def _gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[S, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _add(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram) -> None:
    buckets, total = [], 0
    for bound, number in zip((*histogram.bounds, inf), histogram.counts, strict=True):
        total += number
        buckets.append(("+Inf" if bound == inf else str(bound), total))
    family.add_metric(labels, buckets, histogram.sum)
