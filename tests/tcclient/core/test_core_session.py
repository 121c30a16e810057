from scripted_server import Server, payloads

from tcclient.core import Phase


def test_smoke():
    server = Server()
    a, b = server.seated(2)
    assert a.session.phase is Phase.ROOM
    number = a.publish()
    assert a.speak(number)
    assert payloads(b) == [b"voice"]
