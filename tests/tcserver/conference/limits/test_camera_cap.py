"""The cap of cameras while the server has too much to do."""

from tcserver.conference.limits.camera_cap import CALM, REDUCTION_INTERVAL, CameraCap


def test_overload_lowers_the_cap_by_a_quarter_and_calm_raises_it_again():
    cap = CameraCap()
    assert cap.overloaded(20, 100.0)
    assert cap.limit == 15
    assert not cap.overloaded(15, 100.0 + REDUCTION_INTERVAL - 0.1)
    assert cap.overloaded(15, 100.0 + REDUCTION_INTERVAL)
    assert cap.limit == 11
    assert [(cap.restore(), cap.limit) for _ in range(5)] == [
        (CALM, 13),
        (CALM, 16),
        (None, None),
        (None, None),
        (None, None),
    ]


def test_the_cap_leaves_one_camera():
    cap = CameraCap()
    for n in range(10):
        cap.overloaded(cap.limit or 3, n * REDUCTION_INTERVAL)
    assert cap.limit == 1
    assert not cap.overloaded(1, 1000.0)
    assert cap.restore() == CALM
    assert cap.limit == 2
