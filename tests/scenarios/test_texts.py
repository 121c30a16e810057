"""Text of an end-to-end encrypted room: all participants read it once.

The server cannot, and members that left cannot.
"""

from tcclient.core import Drop, events
from tcproto.messages import ChatMessage, ChatScope
from tests.support.simulation.network import CELLULAR
from tests.support.simulation.wiretap import ControlTap

SECRET = "the tender is won by"


def write(client, text, to=None):
    scope, participant = (ChatScope.ROOM, 0) if to is None else (ChatScope.PARTICIPANT, to.participant)
    client.session.seat.send_chat(text, client.clock.unix_ms(), client.clock.now, scope, participant)
    client.pump()


def texts(client):
    return [event.text for event in client.told(events.ChatReceived)]


def test_the_server_never_has_a_word_of_it(world):
    tap = ControlTap(world)
    world.server.tap = datagrams = []
    ada, ben = world.room("ada", "ben")
    (cleo,) = world.room("cleo", microphone=False)
    world.run(1)
    ada.talk()
    write(ada, f"{SECRET} ben")
    write(ada, f"{SECRET} nobody", to=ben)
    write(cleo, f"{SECRET} cleo")
    world.run(1)
    assert texts(ben) == [f"{SECRET} ben", f"{SECRET} nobody", f"{SECRET} cleo"]
    assert texts(cleo) == [f"{SECRET} ben"]
    assert len(tap.written(ChatMessage)) == 5
    assert not tap.holds(SECRET.encode())
    assert not any(SECRET.encode() in data for _, data in datagrams)
    assert tap.holds(b"ada"), "the way it is tested finds what is there"
    (bea, dan) = world.room("bea", "dan", room="open", e2ee=False)
    write(bea, SECRET)
    world.run(1)
    assert texts(dan) == [SECRET]
    assert tap.holds(SECRET.encode())


def test_who_has_left_reads_nothing_more_and_a_newcomer_nothing_from_before(world):
    """Both get the bytes of all texts, and have all boxes that were made for them."""
    tap = ControlTap(world)
    ada, ben, cleo = world.room("ada", "ben", "cleo", microphone=False)
    world.run(0.2)
    write(ada, "one")
    world.run(0.5)
    gone = ben.session.seat
    ben.leave()
    world.run(0.2)
    write(ada, "two")
    write(cleo, "three")
    world.run(0.5)
    (dan,) = world.room("dan", microphone=False)
    world.run(0.2)
    write(ada, "four")
    world.run(0.5)
    assert texts(cleo) == ["one", "two", "four"]
    assert texts(dan) == ["four"]
    shown = texts(dan), texts(ben)
    for _, _, message in tap.written(ChatMessage):
        dan.session.seat.texts.receive(message, dan.clock.now)
        gone.texts.receive(message, ben.clock.now)
    dan.pump()
    ben.pump()
    assert (texts(dan), texts(ben)) == shown == (["four"], ["one"])


def test_whatever_comes_and_goes_each_text_is_read_once_by_all_who_were_there(make_world):
    """Talkers and listeners write while others come, leave, and have slow or stalled connections."""
    world = make_world()
    clients = world.room("ada", "ben")
    clients += world.room("cleo", "dan", microphone=False, conditions=CELLULAR, tcp_delay=0.3)
    world.run(1)
    clients[0].talk()
    expected = {client.name: [] for client in clients}
    written = 0
    for turn in range(40):
        if turn % 5 == 1:
            clients += world.room(f"guest {turn}", microphone=turn % 2 == 0, tcp_delay=0.05)
            expected[clients[-1].name] = []
        if turn % 5 == 3 and len(clients) > 5:
            clients.pop(4).leave()
        if turn % 11 == 6:
            clients[2].outage(2)
        world.run(1.2)
        for writer in clients[turn % 2 :: 2]:
            text = f"{writer.name} {written}"
            written += 1
            write(writer, text)
            for client in clients:
                if client is not writer:
                    expected[client.name].append(text)
    world.run(5)
    assert written > 80
    for client in clients:
        assert sorted(texts(client)) == sorted(expected[client.name]), client.name
        assert not client.told(events.TextMissing)
    drops = world.client_drops()
    assert not any(drops[drop] for drop in (Drop.TEXT, Drop.NO_KEY, Drop.KEY_BOX, Drop.PLAIN_TEXT, Drop.OWN))
