import pytest

from tcclient.core.path.train import FASTEST, Answer, Rates, rates

SIZE = 1172
"""1,200 bytes with their headers: 9,600 bits."""


def answers(up: float, down: float, start: int = 0, count: int = 10) -> list[Answer]:
    """Answers over a line of so many bits per second each way."""
    found, client = [], 0.0
    for n in range(count):
        server = n * 9600 / up
        client = max(client + 9600 / down, server + 0.1)
        found.append(Answer(int(start + server * 1e6) & 0xFFFFFFFF, client))
    return found


@pytest.mark.parametrize("start", [0, 2**32 - 50_000], ids=["", "wrapping"])
@pytest.mark.parametrize(
    ("up", "down", "found"),
    [
        (256e3, 256e3, Rates(256e3, 256e3)),
        (256e3, 2e6, Rates(256e3, 256e3)),
        (2e6, 256e3, Rates(2e6, 256e3)),
        (1e9, 1e9, Rates(FASTEST, FASTEST)),
    ],
)
def test_a_train_tells_the_rate_up_and_that_down_if_it_is_lower(up: float, down: float, found: Rates, start: int):
    measured = rates(answers(up, down, start), SIZE)
    assert measured == pytest.approx(found, rel=0.02)


def test_one_answer_tells_nothing():
    assert rates([], SIZE) is None
    assert rates(answers(1e6, 1e6, count=1), SIZE) is None


def test_lost_datagrams_make_a_line_look_slower_never_faster():
    train = answers(512e3, 512e3)
    measured = rates([train[0], *train[3:7], train[9]], SIZE)
    assert measured is not None
    assert 200e3 < measured.up < 512e3
