// What is measured on the media path, and the clocks and serial numbers that it is measured with.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LossMeter, PathStatistics, StreamStatistics } from "../../../tcclient/web/src/core/media/statistics.js";
import { NEVER, Timers } from "../../../tcclient/web/src/core/timers.js";
import { clockUs, difference, Unwrapper, unwrap, wrapped } from "../../../tcclient/web/src/protocol/serial.js";
import { TransitClock } from "../../../tcclient/web/src/protocol/transit.js";

test("serial numbers are compared the shorter way round", () => {
  assert.deepEqual([wrapped(-1), wrapped(2 ** 40 + 3), wrapped(300, 8)], [2 ** 32 - 1, 3, 44]);
  assert.deepEqual([difference(1, 0xffff, 16), difference(0xffff, 1, 16), difference(5, 5)], [2, -2, 0]);
  assert.deepEqual([unwrap(1, 2 ** 32 - 1), unwrap(2 ** 32 - 1, 2 ** 32)], [2 ** 32 + 1, 2 ** 32 - 1]);
  assert.equal(clockUs(5000), wrapped(5_000_000_000));
  const clock = new Unwrapper();
  assert.deepEqual(
    [2 ** 32 - 5, 3, 2 ** 32 - 1].map((value) => clock.next(value)),
    [2 ** 32 - 5, 2 ** 32 + 3, 2 ** 32 - 1],
  );
});

test("a series counts what is missing by its forward numbers, also across their end", () => {
  const counts = new StreamStatistics();
  const more = [0xfffe, 0xffff, 1, 0, 5].map((forward) => counts.count(forward, undefined, 0));
  assert.deepEqual(more, [1, 1, 2, 0, 4]);
  assert.deepEqual([counts.received, counts.expected, counts.lost, counts.reordered], [5, 8, 3, 1]);
  counts.restart();
  assert.equal(counts.count(900, undefined, 0), 1);
  assert.equal(counts.lost, 3);
});

test("one that was sent before the first is no loss", () => {
  const counts = new StreamStatistics();
  assert.deepEqual([counts.count(10, undefined, 0), counts.count(8, undefined, 0)], [1, 2]);
  assert.equal(counts.lost, 1);
});

test("jitter is that of RFC 3550, and late is behind the quickest", () => {
  const [counts, clock] = [new StreamStatistics(), new TransitClock()];
  for (const [i, delay] of [0, 0.016, 0, 0.3].entries()) {
    const { transit, delay: behind } = clock.transit(i * 20_000, 50 + i * 0.02 + delay);
    counts.count(i, transit, behind);
  }
  assert.equal(Math.round(counts.jitterMs * 100) / 100, 20.57);
  assert.equal(counts.late, 1);
});

test("recent loss forgets what is ten seconds old", () => {
  const meter = new LossMeter();
  let [sent, lost] = [0, 0];
  for (let now = 0; now < 5; now++) meter.mark(now, (sent += 100), (lost += 10));
  assert.equal(meter.recent(sent, lost), 0.1);
  for (let now = 5; now < 30; now++) meter.mark(now, (sent += 100), lost);
  assert.equal(meter.recent(sent, lost), 0);
});

test("round trips are smoothed, and the clock is that of the quickest", () => {
  const path = new PathStatistics();
  path.measured(0.1, 500);
  path.measured(0.02, -7);
  path.measured(0.2, 900);
  assert.deepEqual([path.clockOffset, Math.round((path.rtt ?? 0) * 10_000) / 10_000], [2 ** 32 - 7, 0.1038]);
  path.upCounted(10, 2, 1);
  path.pingArrived(0, 1_000_000, false);
  path.pingArrived(1_000_000, 2_300_000, true);
  const { packets, lost, recentLoss, late, reordered } = path.up;
  assert.deepEqual([packets, lost, recentLoss, late, reordered], [10, 2, 0.2, 1, 1]);
});

test("timers call what is due, the earliest first, and each once", () => {
  const timers = new Timers();
  const called: string[] = [];
  const due = { followed: 3 };
  timers.set("b", 2, () => called.push("b"));
  timers.set("a", 1, (now) => {
    called.push("a");
    timers.set("c", now, () => called.push("c"));
  });
  timers.set("off", 2, () => called.push("off"));
  timers.set("off", NEVER, () => called.push("off"));
  timers.follow(
    "followed",
    () => due.followed,
    () => {
      due.followed = NEVER;
      called.push("followed");
    },
  );
  assert.equal(timers.next(), 1);
  timers.run(5);
  assert.deepEqual(called, ["a", "b", "followed"]);
  assert.equal(timers.next(), 5);
  timers.cancelAll("c");
  timers.run(5);
  assert.deepEqual([called.at(-1), timers.next()], ["c", NEVER]);
});
