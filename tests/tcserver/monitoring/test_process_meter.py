"""What a process measures of itself."""

import asyncio
import gc
import sys

from tcserver.monitoring.process_meter import ProcessMeter


def test_a_process_is_measured_from_start_to_stop() -> None:
    async def main() -> None:
        meter = ProcessMeter()
        first = meter.stats()
        assert (first.loop_lag.total, [pauses.total for pauses in first.pauses]) == (0, [0, 0, 0])
        meter.start()
        try:
            gc.collect()
            async with asyncio.timeout(20):
                while not meter.stats().loop_lag.total:  # noqa: ASYNC110 - it tells only when asked
                    await asyncio.sleep(0.01)
        finally:
            meter.stop()
        gc.collect()
        last = meter.stats()
        assert last.pauses[2].total == 1
        assert 0 < last.pauses[2].sum < 20
        assert last.loop_lag.sum < 20
        assert 0 < first.cpu < last.cpu
        if sys.platform == "linux":
            assert last.memory is not None
            assert 1 << 20 < last.memory < 1 << 40

    asyncio.run(main())
