import assert from "node:assert/strict";
import { test } from "node:test";

import { DelayEstimator, MAX_TARGET, MIN_TARGET } from "../../../tcclient/web/src/media/delay.js";
import { exponential, seeded } from "./random.js";

/** Feed frames of 20 ms whose transit is this much above the least. */
function follow(delays: number[], estimator = new DelayEstimator(), start = 0): DelayEstimator {
  delays.forEach((relative, step) => estimator.update(7 + relative, start + 0.02 * step));
  return estimator;
}

test("without jitter the target is the floor", () => {
  assert.equal(follow(Array<number>(200).fill(0)).target, MIN_TARGET);
});

test("the target has a ceiling", () => {
  const delays = Array.from({ length: 420 }, (_, i) => (i % 21 === 0 ? 0 : 0.9));
  assert.equal(follow(delays).target, MAX_TARGET);
});

test("the target is the cheapest one of exponential jitter", () => {
  // 1 = 2 / 0.03 * exp(-D / 0.03) at the minimum.
  const random = seeded(1);
  const estimator = follow(Array.from({ length: 5_000 }, () => exponential(random, 0.03)));
  assert.ok(Math.abs(estimator.target - 0.03 * Math.log(2 / 0.03)) < 0.035, String(estimator.target));
});

test("a way that became longer than any delay is the new way within a second", () => {
  const random = seeded(2);
  const jitter = Array.from({ length: 1_000 }, () => exponential(random, 0.02));
  const estimator = follow(jitter);
  const usual = estimator.target;
  follow(
    jitter.slice(0, 51).map((relative) => 0.5 + relative),
    estimator,
    20,
  );
  assert.ok(Math.abs((estimator.base ?? 0) - 7.5) < 0.005, String(estimator.base));
  assert.ok(Math.abs(estimator.target - usual) < 0.012, "what is known about the jitter stays");
});

test("a way that became longer is no jitter once the shorter one is forgotten", () => {
  const estimator = follow(Array<number>(500).fill(0));
  follow(Array<number>(100).fill(0.2), estimator, 10);
  assert.ok(Math.abs(estimator.target - 0.205) < 0.01, String(estimator.target));
  follow(Array<number>(430).fill(0.2), estimator, 12);
  assert.deepEqual([estimator.base, estimator.target], [7.2, MIN_TARGET]);
});

test("a stall raises the target at once and is forgotten by halves", () => {
  const estimator = follow(Array<number>(500).fill(0));
  follow([0.25], estimator, 10);
  assert.equal(estimator.target, 0.25);
  follow(Array<number>(50).fill(0), estimator, 15);
  assert.ok(estimator.target < 0.13, String(estimator.target));
});
