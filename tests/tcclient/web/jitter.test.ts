import assert from "node:assert/strict";
import { test } from "node:test";

import {
  JitterBuffer,
  MAX_BUFFERED,
  MAX_FRAMES,
  SAMPLE_RATE,
  type Stretch,
} from "../../../tcclient/web/src/media/jitter.js";
import { exponential, seeded } from "./random.js";
import { FRAME, soundFrame } from "./sound.js";

const TICK = FRAME / SAMPLE_RATE;

/** Play for some ticks; frame `n` arrives at `n * TICK + delay(n)` and undefined is lost. */
function play(
  buffer: JitterBuffer,
  ticks: number,
  delay: (n: number) => number | undefined,
  options: (n: number) => Partial<ReturnType<typeof soundFrame>> = () => ({}),
): Stretch[] {
  const arrivals: { at: number; n: number }[] = [];
  for (let n = 0; n < ticks; n++) {
    const late = delay(n);
    if (late !== undefined) arrivals.push({ at: n * TICK + late, n });
  }
  arrivals.sort((a, b) => a.at - b.at);
  const stretches: Stretch[] = [];
  let played = 0;
  for (let tick = 0; tick < ticks; tick++) {
    const now = tick * TICK;
    for (let first = arrivals[0]; first !== undefined && first.at <= now; first = arrivals[0]) {
      arrivals.shift();
      buffer.put(soundFrame(first.n, options(first.n)), first.at);
    }
    while (played <= tick * FRAME) {
      const stretch = buffer.get(now);
      stretches.push(stretch);
      played += stretch.duration + (stretch.isAudible ? stretch.adjust : 0);
    }
  }
  return stretches;
}

const kinds = (stretches: Stretch[]): string => stretches.map((stretch) => stretch.kind[0]).join("");

test("punctual frames are all played, after the target", () => {
  const buffer = new JitterBuffer();
  const stretches = play(buffer, 200, () => 0.01);
  const first = stretches.findIndex((stretch) => stretch.kind === "frame");
  assert.ok(first >= 3 && first <= 6, kinds(stretches));
  assert.ok(
    stretches.slice(first).every((stretch) => stretch.kind === "frame"),
    kinds(stretches),
  );
  assert.equal(buffer.statistics.lost, 0);
  assert.ok(buffer.statistics.delay < 0.1, String(buffer.statistics.delay));
});

test("frames in another order are played in theirs", () => {
  const stretches = play(new JitterBuffer(), 100, (n) => (n % 5 === 2 ? 0.045 : 0.01));
  const times = stretches.flatMap((stretch) => (stretch.kind === "frame" ? [stretch.timestamp ?? 0] : []));
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
  assert.ok(times.length > 90);
});

test("a lost frame is concealed once, and counts as lost", () => {
  const buffer = new JitterBuffer();
  const stretches = play(buffer, 100, (n) => (n === 50 ? undefined : 0.01));
  assert.equal(stretches.filter((stretch) => stretch.kind === "conceal").length, 1);
  assert.equal(buffer.statistics.lost, 1);
});

test("a long gap is not concealed to its end", () => {
  const stretches = play(new JitterBuffer(), 200, (n) => (n >= 50 && n < 80 ? undefined : 0.01));
  const invented = stretches.filter((stretch) => stretch.kind === "conceal" || stretch.kind === "late");
  const samples = invented.reduce((sum, { duration }) => sum + duration, 0);
  assert.ok(samples >= 4 * FRAME && samples <= 6 * FRAME, kinds(stretches));
  assert.ok(kinds(stretches).endsWith("ffffffff"), kinds(stretches));
});

test("nothing is concealed after the end of talk", () => {
  const stretches = play(
    new JitterBuffer(),
    150,
    (n) => (n > 50 && n < 100 ? undefined : 0.01),
    (n) => ({ endOfTalk: n === 50 }),
  );
  assert.match(kinds(stretches), /^s+f{51}s+f+$/);
});

test("a stall costs a pause and no word, and its delay is won back", () => {
  const buffer = new JitterBuffer();
  // All that was sent within 300 ms comes at its end.
  const stretches = play(buffer, 1_000, (n) => (n >= 100 && n < 115 ? 0.01 + (115 - n) * TICK : 0.01));
  assert.equal(stretches.filter((stretch) => stretch.kind === "frame").length >= 990, true, kinds(stretches));
  assert.equal(buffer.statistics.lost, 0);
  assert.ok(buffer.statistics.delay < 0.13, String(buffer.statistics.delay));
});

test("a sender whose clock is slow or fast is followed", () => {
  for (const drift of [-0.0005, 0.0005]) {
    const buffer = new JitterBuffer();
    play(buffer, 6_000, (n) => 0.2 + n * TICK * drift);
    assert.ok(buffer.statistics.concealed < 10 * FRAME, `${drift}: ${buffer.statistics.concealed}`);
    assert.ok(buffer.statistics.delay < 0.12, `${drift}: ${buffer.statistics.delay}`);
  }
});

test("comfort frames are dropped to win back delay", () => {
  const buffer = new JitterBuffer();
  play(
    buffer,
    400,
    (n) => Math.max(0.01, Math.min(0.3, 0.3 - (n - 199) * TICK)),
    (n) => ({ comfort: n >= 195 && n < 260 }),
  );
  const { discarded, delay, target } = buffer.statistics;
  assert.ok(discarded >= 3, String(discarded));
  assert.ok(delay < target + 0.05, `${delay} ${target}`);
});

test("duplicates and old frames are refused", () => {
  const buffer = new JitterBuffer();
  play(buffer, 100, () => 0.01);
  assert.equal(buffer.put(soundFrame(98), 2), "duplicate");
  assert.equal(buffer.put(soundFrame(99), 2), "queued");
  assert.equal(buffer.put(soundFrame(99), 2), "duplicate");
  const fresh = new JitterBuffer();
  play(fresh, 100, (n) => (n === 20 ? undefined : 0.01));
  assert.equal(fresh.put(soundFrame(20), 2), "late");
});

test("numbers and timestamps wrap", () => {
  const start = 2 ** 32 - 50;
  const buffer = new JitterBuffer();
  const stretches = play(
    buffer,
    100,
    () => 0.01,
    (n) => ({
      sequence: (start + n) >>> 0,
      timestamp: (2 ** 32 - 50 * FRAME + n * FRAME) >>> 0,
    }),
  );
  assert.match(kinds(stretches), /^s+f+$/);
  assert.equal(buffer.statistics.lost, 0);
});

test("a sender that begins again is played again", () => {
  const buffer = new JitterBuffer();
  play(buffer, 100, () => 0.01);
  assert.equal(buffer.put(soundFrame(100, { timestamp: 400 * SAMPLE_RATE }), 2.01), "resync");
  assert.equal(buffer.put(soundFrame(2 ** 31 + 100, { timestamp: 401 * SAMPLE_RATE }), 2.03), "resync");
});

test("the buffer is bounded by sound and by frames", () => {
  const buffer = new JitterBuffer();
  for (let n = 0; n < 200; n++) buffer.put(soundFrame(n), n * TICK);
  assert.ok(buffer.buffered <= MAX_BUFFERED);
  const tiny = new JitterBuffer();
  for (let n = 0; n < 1_000; n++) {
    tiny.put(soundFrame(n, { timestamp: n, pcm: new Float32Array(1) }), n / SAMPLE_RATE);
  }
  assert.ok(tiny.statistics.discarded >= 1_000 - MAX_FRAMES);
});

test("held packets do not count as jitter", () => {
  const buffer = new JitterBuffer();
  // The relay kept ten frames and sends them at once.
  for (let n = 0; n < 10; n++) buffer.put(soundFrame(n, { heldMs: (9 - n) * 20 }), 0.2);
  buffer.get(0.2);
  assert.ok(buffer.statistics.target <= 0.065, String(buffer.statistics.target));
});

test("with any jitter nothing is played twice or out of order", () => {
  const random = seeded(3);
  for (let round = 0; round < 20; round++) {
    const lost = (): boolean => random() < 0.05;
    const stretches = play(new JitterBuffer(), 500, () => (lost() ? undefined : exponential(random, 0.04)));
    const times = stretches.flatMap((stretch) => (stretch.kind === "frame" ? [stretch.timestamp ?? 0] : []));
    for (let i = 1; i < times.length; i++) assert.ok((times[i] ?? 0) > (times[i - 1] ?? 0));
    assert.ok(times.length > 400, String(times.length));
  }
});
