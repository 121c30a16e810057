"""Many clients join at once."""

from collections import defaultdict
from itertools import pairwise

from tcclient.core import events
from tcproto.messages import KeyBoxes, RoomChanges
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tests.support.simulation.network import Conditions

HOME = Conditions(delay=0.02)


def test_all_of_a_join_storm_hear_all_and_nobody_goes_deaf(make_world):
    """35 clients join within a second while three talk. Within two more seconds everybody hears everybody."""
    world = make_world(rooms__loudest=0)
    talkers = world.room("ada", "ben", "cleo", conditions=HOME)
    for talker in talkers:
        talker.talk()
    world.run(1)
    newcomers = []
    for i in range(32):
        world.clock.after(i / 32, lambda i=i: newcomers.append(world.client(f"guest {i}", HOME, host="192.0.2.1")))
    world.run(3)
    everybody = [*talkers, *newcomers]
    assert len(everybody) == 35
    assert world.ready(*everybody)
    since = world.now
    for newcomer in newcomers:
        newcomer.say()
    world.run(1)
    for talker in talkers:
        talker.hush()
    world.run(1)
    for listener in everybody:
        for speaker in everybody:
            if speaker is not listener:
                assert listener.heard_from(speaker, since=since), f"{listener.name} does not hear {speaker.name}"
    for listener in talkers:
        for speaker in talkers:
            if speaker is not listener:
                assert listener.heard_from(speaker) == speaker.spoken, "joins cost those who talk nothing"


def test_a_member_is_told_of_a_join_storm_ten_times_a_second(make_world):
    """Newcomers publish at once and send key boxes to everybody. Even that causes no more roster messages."""
    world = make_world(rooms__loudest=0)
    world.room("ada", "ben", "cleo", conditions=HOME)
    world.run(1)
    told = world.server.told = []
    newcomers = []
    for i in range(32):
        world.clock.after(i / 32, lambda i=i: newcomers.append(world.client(f"guest {i}", HOME)))
    world.run(2)
    assert world.ready(*newcomers)
    assert any(isinstance(message, KeyBoxes) for _, _, message in told)
    times = defaultdict(list)
    for at, connection, message in told:
        if isinstance(message, RoomChanges):
            times[connection].append(at)
    assert len(times) == 35
    most = max(sum(start <= at < start + 1 for at in ats) for ats in times.values() for start in ats)
    print(f"at most {most} roster messages to a member in a second")
    assert most <= 11
    for ats in times.values():
        assert all(b - a > BATCH_INTERVAL - 1e-6 for a, b in pairwise(ats))


def test_one_address_may_hold_35_clients_on_distinct_ports(make_world):
    world = make_world(rooms__loudest=0)
    clients = [world.client(f"participant {i}", HOME, host="198.51.100.7") for i in range(35)]
    world.until(lambda: world.ready(*clients))
    for client in clients:
        client.say()
    world.run(1)
    for client in clients:
        assert len(client.heard) == 34
    clients[0].rebind()
    clients[0].say()
    world.run(0.2)
    clients[1].say()
    world.run(1)
    assert len(clients[0].heard) == 35
    assert all(len(client.heard) == 36 for client in clients[2:])


def test_35_logins_in_a_second_are_seated_within_five_even_where_the_server_lets_few_in_at_a_time(make_world):
    """A refused client is told when to come back, each at another time, and is then let in."""
    world = make_world(login__logins_per_s=12, login__login_burst=8, rooms__joins_per_s=10, rooms__join_burst=8)
    clients = []
    for i in range(35):
        options = {"account": f"office-{i}"}
        world.clock.after(i / 35, lambda i=i, more=options: clients.append(world.client(f"guest {i}", HOME, **more)))
    world.run(1)
    took = world.until(lambda: world.ready(*clients), limit=4)
    refused = [
        event for client in clients for event in client.told(events.LoginFailed) + client.told(events.JoinFailed)
    ]
    print(f"all seated {1 + took:.1f} s after the first came; {len(refused)} refusals")
    assert refused
    assert all(event.retry_after_ms > 0 for event in refused)
    assert len(refused) <= 3 * len(clients), "they do not come back in vain again and again"
    for client in clients:
        assert len(client.session.seat.room.members) == 35
