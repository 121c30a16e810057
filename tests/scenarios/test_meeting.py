"""Who is in a room hears everybody else: each packet once, as it was sent."""

def test_three_people_hear_each_other_each_packet_once(world):
    people = world.room("ada", "ben", "cleo")
    for person in people:
        person.talk()
    world.run(5)
    for person in people:
        person.hush()
    world.run(1)
    for person in people:
        assert len(person.spoken) > 240
        assert not person.unsent
        for other in people:
            if other is not person:
                assert other.heard_from(person) == person.spoken
    assert not world.client_drops()
