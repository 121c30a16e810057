import gc
import subprocess
import sys
from itertools import count

from tcserver.monitoring.garbage import PauseMeter


def test_each_collection_is_measured_by_its_generation() -> None:
    ticks = count()
    meter = PauseMeter(lambda: 0.004 * next(ticks))
    was_enabled = gc.isenabled()
    gc.disable()
    meter.start()
    try:
        gc.collect(0)
        gc.collect(2)
        gc.collect(2)
    finally:
        meter.stop()
        if was_enabled:
            gc.enable()
    gc.collect(1)
    assert [pauses.total for pauses in meter.pauses] == [1, 0, 2]
    assert abs(meter.pauses[2].sum - 0.008) < 1e-9


def test_what_there_is_at_the_start_is_not_looked_at_again() -> None:
    code = (
        "import gc; from tcserver.monitoring import garbage; garbage.configure(); "
        "print(len(gc.get_objects()), *gc.get_threshold())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    objects, *thresholds = map(int, done.stdout.split())
    assert objects < 100
    assert thresholds == [1000, 5, 200]
