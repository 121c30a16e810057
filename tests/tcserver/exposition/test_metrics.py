"""The metrics of a server with clients, media and trouble in it; and the dashboard that shows them."""

import dataclasses
import json
import re
from http import HTTPStatus
from importlib import resources
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tcproto import messages as m
from tcserver.daemon.control_turns import ControlTurns
from tcserver.exposition.metrics import MEDIA_COUNTERS, Metrics
from tcserver.media.forwarding.drops import Counters, Drop, PacketKind
from tcserver.media.forwarding.path import PathChange
from tcserver.media.lanes.lane import Weight
from tcserver.media.plane.paths import DELAY_BOUNDS, RTT_BOUNDS
from tcserver.media.plane.stats import LATENCY_BOUNDS, Counts, MediaStats, SocketState
from tcserver.monitoring.garbage import GENERATIONS, PAUSE_BOUNDS
from tcserver.monitoring.histogram import Histogram
from tcserver.monitoring.process_stats import ProcessStats
from tcserver.web.service import WebService
from tests.support.conference.driver import Driver
from tests.support.conference.identities import account_key

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def reading() -> MediaStats:
    latency = Histogram(LATENCY_BOUNDS)
    for value in (0.00002, 0.0003, 0.0004, 5.0):
        latency.observe(value)
    counters = Counters(
        received=10,
        received_bytes=1000,
        accepted=8,
        forwarded=7,
        held=11,
        sealed=6,
        sent=20,
        sent_bytes=2500,
        uplink_sent=17,
        uplink_received=9,
        uplink_reordered=21,
        uplink_pings=23,
        uplink_late=22,
    )
    counters.drops[Drop.BOX] = 2
    counters.packets_received[PacketKind.VIDEO] = 14
    counters.packets_forwarded[PacketKind.BEACON] = 15
    counters.paths[PathChange.MOVED] = 16
    rtt = Histogram(RTT_BOUNDS)
    rtt.observe(0.03)
    delay = Histogram(DELAY_BOUNDS)
    delay.observe(0.007)
    return MediaStats(
        counters=counters,
        kernel_sent=19,
        errors={"EPERM": 1},
        gave_way={Weight.LARGE: 13},
        refused_trains=12,
        cloned=17,
        not_cloned={"route": 18},
        device_drops=20,
        waiting=3,
        latency=latency,
        rtt=rtt,
        uplink_delay=delay,
        sockets=(SocketState(100, 200, 4),),
        counts=Counts(rooms=1, seats=2, proven=1, streams=5),
        seats=(),
    )


def process_stats(memory: int | None) -> ProcessStats:
    pauses = tuple(Histogram(PAUSE_BOUNDS) for _ in range(GENERATIONS))
    found = ProcessStats(Histogram([0.1, 1.0]), pauses, 12.5, memory, 21)
    found.loop_lag.observe(0.5)
    found.pauses[1].observe(0.002)
    return found


def web_service() -> WebService:
    found = WebService(ControlTurns(lambda rest, run: None, lambda: 0.0), [].append, 10, 10)
    found.joined(Aborted(), "a")
    found.counters.accepted["tls"] = 5
    found.counters.handshakes = 4
    found.counters.failed_handshakes["alert"] = 1
    found.counters.requests[HTTPStatus.SWITCHING_PROTOCOLS] = 2
    found.counters.crowded = 6
    return found


class Aborted:
    """A connection of the web."""

    def abort(self) -> None:
        """Nothing ends here."""


@pytest.fixture(scope="module")
def families() -> dict[str, Metric]:
    """Everything that a busy server tells, with two workers."""
    driver = Driver()
    a, b = driver.participant("room", "a"), driver.participant("room", "b")
    driver.client()
    a.publish()
    a.publish(m.Source.CAMERA)
    a.tell(m.KeyframeRequest(99, 0))
    for number in range(25):
        b.ask(m.Chat(number.to_bytes(16, "big"), m.ChatScope.ROOM, sealed=b"text"))
    guess = driver.client("a")
    guess.ask(m.LoginBegin("a"))
    guess.ask(guess.login_message(key=account_key("b")))
    driver.advance(1.0)
    processes = [process_stats(memory) for memory in (1000, 2000, None)]
    planes = [reading(), reading()]
    text = Metrics(driver.conference, lambda: planes, lambda: processes, web_service()).exposition().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


@pytest.fixture(scope="module")
def samples(families: dict[str, Metric]) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_people(samples: Samples) -> None:
    assert value(samples, "tcserver_connections") == 4
    assert value(samples, "tcserver_connections_half_open") == 2
    assert value(samples, "tcserver_sessions") == value(samples, "tcserver_seats") == 2
    assert value(samples, "tcserver_sessions_detached") == 0
    assert value(samples, "tcserver_rooms") == 1
    assert value(samples, "tcserver_publications", source="microphone") == 1
    assert value(samples, "tcserver_publications", source="camera") == 1


def test_what_was_refused(samples: Samples) -> None:
    assert value(samples, "tcserver_refusals_total", code="rate_limited") == 5
    assert value(samples, "tcserver_limited_total", **{"class": "chat"}) == 5
    assert value(samples, "tcserver_refusals_total", code="bad_credentials") == 1


def test_every_worker_tells_its_counters(samples: Samples) -> None:
    for worker in "01":
        assert value(samples, "tcserver_media_datagrams_received_total", worker=worker) == 10
        assert value(samples, "tcserver_media_sent_bytes_total", worker=worker) == 2500
        assert value(samples, "tcserver_media_drops_total", worker=worker, reason="box") == 2
        assert value(samples, "tcserver_media_drops_total", worker=worker, reason="old") == 0
        assert value(samples, "tcserver_media_datagrams_taken_total", worker=worker) == 19
        assert value(samples, "tcserver_media_send_errors_total", worker=worker, error="EPERM") == 1
        assert value(samples, "tcserver_media_gave_way_total", worker=worker, size="large") == 13
        assert value(samples, "tcserver_media_gave_way_total", worker=worker, size="small") == 0
        assert value(samples, "tcserver_media_packets_held_total", worker=worker) == 11
        packets: dict[str, Any] = {"name": "tcserver_media_packets_total", "worker": worker}
        assert value(samples, kind="video", direction="received", **packets) == 14
        assert value(samples, kind="beacon", direction="forwarded", **packets) == 15
        assert value(samples, kind="audio", direction="received", **packets) == 0
        assert value(samples, "tcserver_media_paths_total", worker=worker, change="moved") == 16
        assert value(samples, "tcserver_media_paths_total", worker=worker, change="lost") == 0
        assert value(samples, "tcserver_media_refused_trains_total", worker=worker) == 12
        assert value(samples, "tcserver_media_datagrams_cloned_total", worker=worker) == 17
        assert value(samples, "tcserver_media_datagrams_not_cloned_total", worker=worker, reason="route") == 18
        assert value(samples, "tcserver_media_device_drops_total", worker=worker) == 20
        assert value(samples, "tcserver_media_waiting_messages", worker=worker) == 3
        labels = {"worker": worker, "socket": "0"}
        assert value(samples, "tcserver_media_socket_queue_bytes", direction="receive", **labels) == 100
        assert value(samples, "tcserver_media_socket_queue_bytes", direction="send", **labels) == 200
        assert value(samples, "tcserver_media_socket_drops_total", **labels) == 4
        assert value(samples, "tcserver_media_seats_proven", worker=worker) == 1
        assert value(samples, "tcserver_media_uplink_datagrams_sent_total", worker=worker) == 17
        assert value(samples, "tcserver_media_uplink_datagrams_received_total", worker=worker) == 9
        assert value(samples, "tcserver_media_uplink_datagrams_reordered_total", worker=worker) == 21
        assert value(samples, "tcserver_media_uplink_pings_total", worker=worker) == 23
        assert value(samples, "tcserver_media_uplink_pings_late_total", worker=worker) == 22


def test_every_counter_of_the_media_plane_is_told() -> None:
    fields = {field.name for field in dataclasses.fields(Counters)}
    fields -= {"drops", "faults", "packets_received", "packets_forwarded", "paths"}
    assert MEDIA_COUNTERS.keys() == fields
    assert len({name for name, _ in MEDIA_COUNTERS.values()}) == len(fields)


def test_histograms(samples: Samples) -> None:
    name = "tcserver_media_forward_latency_seconds"
    below = {bound: value(samples, f"{name}_bucket", worker="0", le=bound) for bound in ("5e-05", "0.0005", "0.1")}
    assert below == {"5e-05": 1, "0.0005": 3, "0.1": 3}
    assert value(samples, f"{name}_bucket", worker="0", le="+Inf") == value(samples, f"{name}_count", worker="0") == 4
    assert value(samples, f"{name}_sum", worker="0") == pytest.approx(5.00072)
    assert value(samples, "tcserver_media_rtt_seconds_bucket", worker="1", le="0.02") == 0
    assert value(samples, "tcserver_media_rtt_seconds_bucket", worker="1", le="0.05") == 1
    assert value(samples, "tcserver_media_uplink_delay_seconds_bucket", worker="0", le="0.005") == 0
    assert value(samples, "tcserver_media_uplink_delay_seconds_bucket", worker="0", le="0.01") == 1


def test_the_web(samples: Samples) -> None:
    assert value(samples, "tcserver_web_connections") == 1
    assert value(samples, "tcserver_web_accepted_total", kind="tls") == 5
    assert value(samples, "tcserver_web_tls_handshakes_total") == 4
    assert value(samples, "tcserver_web_tls_failures_total", reason="alert") == 1
    assert value(samples, "tcserver_web_requests_total", status="101") == 2
    assert value(samples, "tcserver_web_crowded_total") == 6


def test_a_server_without_web_tells_nothing_of_it() -> None:
    text = Metrics(Driver().conference, list, list).exposition().decode()
    assert "tcserver_web_" not in text


def test_every_process_tells_of_itself(samples: Samples) -> None:
    for process in ("main", "worker 0", "worker 1"):
        assert value(samples, "tcserver_loop_lag_seconds_bucket", process=process, le="0.1") == 0
        assert value(samples, "tcserver_loop_lag_seconds_bucket", process=process, le="1.0") == 1
        assert value(samples, "tcserver_gc_pause_seconds_count", process=process, generation="1") == 1
        assert value(samples, "tcserver_gc_pause_seconds_count", process=process, generation="2") == 0
        assert value(samples, "tcserver_process_cpu_seconds_total", process=process) == 12.5
        assert value(samples, "tcserver_log_dropped_total", process=process) == 21
    memory = "tcserver_process_resident_memory_bytes"
    assert value(samples, memory, process="main") == 1000
    assert value(samples, memory, process="worker 0") == 2000
    assert (memory, frozenset({("process", "worker 1")})) not in samples, "it does not know"


def test_what_is_usual_of_a_process_is_told(families: dict[str, Metric]) -> None:
    assert {"process_start_time_seconds", "process_open_fds", "tcserver_build_info"} <= families.keys()
    assert all(family.documentation for family in families.values())


# The dashboard

DASHBOARD = json.loads(resources.files("tcserver.exposition").joinpath("dashboard.json").read_text(encoding="utf-8"))
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_of_the_dashboard_asks_for_what_there_is(title: str, query: str, samples: Samples) -> None:
    labels: dict[str, set[str]] = {}
    for name, found in samples:
        labels.setdefault(name, set()).update(label for label, _ in found)
    names = re.findall(r"\b(?:tcserver|process)_\w+", query)
    assert names
    for name in names:
        assert name in labels, title
        assert f'{name}{{instance=~"$instance"}}' in query
        assert {label for by in re.findall(r"by \(([^)]+)\)", query) for label in by.split(", ")} <= labels[name]
        assert (f"rate({name}" in query) == name.endswith(("_total", "_bucket", "_sum"))
    assert query.count("(") == query.count(")")


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        places = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not places & taken, panel["title"]
        assert max(x for x, _ in places) < 24
        taken |= places
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_metric_of_the_server_is_on_the_dashboard(families: dict[str, Metric]) -> None:
    names = re.findall(r"\btcserver_\w+", " ".join(query for _, query in QUERIES))
    shown = {re.sub("_(total|bucket|sum)$", "", name) for name in names}
    missing = {name for name in families if name.startswith("tcserver_")} - shown
    assert missing == {"tcserver_build_info"}, "shown elsewhere"
