import assert from "node:assert/strict";
import { test } from "node:test";

import { DelayEstimator, FEW_LATE, MAX_TARGET, MIN_TARGET } from "../../../tcclient/web/src/media/delay.js";
import { exponential, seeded } from "./random.js";

/** Feed frames of 20 ms whose transit is this much above the least. */
function follow(delays: readonly number[], estimator = new DelayEstimator(), start = 0): DelayEstimator {
  delays.forEach((relative, step) => estimator.update(7 + relative, start + 0.02 * step));
  return estimator;
}

/** Return `count` frames of which each is as late. */
function late(count: number, relative = 0): number[] {
  return Array<number>(count).fill(relative);
}

/** Return the frames that wait for the end of a stall of `seconds`. */
function stall(seconds: number): number[] {
  return Array.from({ length: Math.floor(seconds / 0.02) }, (_, i) => seconds - 0.02 * i);
}

function near(found: number, wanted: number, within: number): void {
  assert.ok(Math.abs(found - wanted) <= within, `${found}, not ${wanted}`);
}

test("without jitter the target is the floor", () => {
  assert.equal(follow(late(200)).target, MIN_TARGET);
  assert.equal(new DelayEstimator().target, MIN_TARGET);
});

test("the target has a ceiling", () => {
  near(follow([...late(20), 0.9]).target, MAX_TARGET, 0.001);
  const delays = Array.from({ length: 420 }, (_, i) => (i % 21 === 0 ? 0 : 0.29));
  near(follow(delays).target, 0.29, 0.002);
});

test("few frames are late of exponential jitter", () => {
  const random = seeded(1);
  const estimator = follow(Array.from({ length: 5_000 }, () => exponential(random, 0.03)));
  near(estimator.target, 0.03 * Math.log(1 / FEW_LATE), 0.02);
});

test("rare lateness is not paid for", () => {
  assert.equal(follow(Array.from({ length: 3_000 }, (_, i) => (i % 300 === 0 ? 0.14 : 0))).target, MIN_TARGET);
});

test("one late frame at the beginning is no large share", () => {
  assert.equal(follow([0, 0, 0, 0.12, ...late(100)]).target, MIN_TARGET);
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
  near(estimator.base ?? 0, 7.5, 0.005);
  near(estimator.target, usual, 0.012);
});

test("a way that became longer is no jitter once the shorter one is forgotten", () => {
  const estimator = follow(late(500));
  follow(late(100, 0.2), estimator, 10);
  near(estimator.target, 0.2, 0.002);
  follow(late(430, 0.2), estimator, 12);
  assert.deepEqual([estimator.base, estimator.target], [7.2, MIN_TARGET]);
});

test("a stall that is alone is followed at once and forgotten", () => {
  const estimator = follow(late(1_000));
  follow(stall(0.25), estimator, 20);
  near(estimator.target, 0.25, 0.002);
  follow(late(150), estimator, 20.26);
  near(estimator.target, 0.25, 0.002);
  follow(late(250), estimator, 23.26);
  near(estimator.target, 0.125, 0.02);
  follow(late(500), estimator, 28.26);
  assert.equal(estimator.target, MIN_TARGET);
});

test("stalls that come again count as jitter", () => {
  const estimator = new DelayEstimator();
  for (let n = 0; n < 10; n++) follow([...late(187), ...stall(0.25)], estimator, 4 * n);
  follow(late(400), estimator, 40);
  assert.ok(estimator.target > 0.15 && estimator.target < 0.25, String(estimator.target));
});

test("lateness of frames that were overtaken is no stall", () => {
  const estimator = follow(late(1_000));
  estimator.update(7.25, 20, false);
  assert.equal(estimator.target, MIN_TARGET);
});

test("an outage longer than any delay does not count as jitter", () => {
  const estimator = follow(late(500));
  for (const outage of [10, 14]) {
    follow(stall(0.9), estimator, outage);
    follow(late(155), estimator, outage + 0.9);
  }
  assert.equal(estimator.target, MIN_TARGET);
});

test("what a change of the delay saves grows with the distance from the target", () => {
  const estimator = follow(late(1_000));
  const gains = [0.06, 0.08, 0.2, 0.4].map((delay) => estimator.gain(delay));
  gains.forEach((gain, i) => near(gain, [0, 0.02, 0.14, 0.34][i] ?? 0, 0.002));
  assert.ok(estimator.gain(0.03) > 0.02);
});
