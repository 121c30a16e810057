import assert from "node:assert/strict";
import { test } from "node:test";

import { BETTER_AFTER, QualityMeter, score } from "../../../tcclient/web/src/core/media/quality.js";

const DIRECTION = { packets: 1000, lost: 0, recentLoss: 0, jitterMs: 2, reordered: 0, late: 0, loss: 0 };

const NOTHING = { sendsPictures: false, getsPictures: false };

function figures(recentLoss: number, path: "unknown" | "ok" | "lost" = "ok") {
  return { path, rtt: 0.08, up: { ...DIRECTION, recentLoss }, down: DIRECTION };
}

test("scores are those of the library", () => {
  const found = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 1].map((loss) => Number(score(loss, 5, 0.08).toFixed(2)));
  assert.deepEqual(found, [4.35, 4.09, 3.81, 3.04, 2.22, 1.5, 1]);
});

test("what is worse is told at once, what is better when it has lasted, a path that is back too", () => {
  const meter = new QualityMeter();
  assert.equal(meter.look(figures(0, "unknown"), NOTHING, 0), false);
  const told: [number, string][] = [];
  for (let now = 1; now < 40; now++) {
    const loss = now >= 5 && now < 10 ? 0.1 : now === 12 ? 0.03 : 0;
    if (meter.look(figures(loss, now === 30 ? "lost" : "ok"), NOTHING, now)) told.push([now, meter.quality]);
  }
  assert.deepEqual(told, [
    [1, "excellent"],
    [5, "poor"],
    [10 + BETTER_AFTER, "good"],
    [10 + 2 * BETTER_AFTER + 1, "excellent"],
    [30, "lost"],
    [31, "excellent"],
  ]);
});

test("advice says what could be done while the connection is poor", () => {
  const [bad, slow] = [
    { ...DIRECTION, recentLoss: 0.1 },
    { ...DIRECTION, jitterMs: 200 },
  ];
  const pictures = { sendsPictures: true, getsPictures: true };
  for (const [up, down, use, advice] of [
    [bad, DIRECTION, pictures, "camera_off"],
    [bad, DIRECTION, NOTHING, "uplink"],
    [DIRECTION, bad, pictures, "fewer_pictures"],
    [DIRECTION, bad, NOTHING, "downlink"],
    [slow, slow, pictures, "delay"],
    [DIRECTION, DIRECTION, pictures, undefined],
  ] as const) {
    const meter = new QualityMeter();
    meter.look({ path: "ok", rtt: 0.08, up, down }, use, 1);
    assert.equal(meter.advice, advice);
    for (let now = 2; now < 3 + BETTER_AFTER; now++) meter.look(figures(0), use, now);
    assert.equal(meter.advice, undefined);
  }
});
