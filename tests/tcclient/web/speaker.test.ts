import assert from "node:assert/strict";
import { test } from "node:test";

import { Concealer, MAX_CONCEAL } from "../../../tcclient/web/src/media/conceal.js";
import { SAMPLE_RATE } from "../../../tcclient/web/src/media/jitter.js";
import { Gain, limit, LIMIT } from "../../../tcclient/web/src/media/mixer.js";
import { Speaker } from "../../../tcclient/web/src/media/speaker.js";
import { lengthen, MIN_LAG, resize, shorten } from "../../../tcclient/web/src/media/stretch.js";
import { FRAME, soundFrame, steepest, tone } from "./sound.js";

/** The steepest slope of the tone of the tests. */
const SLOPE = steepest(tone(FRAME));
/** What a sound card asks for at a time. */
const QUANTUM = 128;

test("stretching changes the length by one period and does not click", () => {
  const pcm = tone(FRAME);
  const short = shorten(pcm, 480);
  const long = lengthen(pcm, 480);
  assert.equal(short.length, FRAME - 240);
  assert.equal(long.length, FRAME + 240);
  assert.ok(steepest(short) < 1.5 * SLOPE && steepest(long) < 1.5 * SLOPE);
});

test("quiet sound gets exactly the length that is asked for", () => {
  const pcm = tone(FRAME, 0, 200, 0.003);
  for (const change of [-480, -37, 0, 37, 480]) {
    const changed = resize(pcm, change);
    assert.equal(changed.length, FRAME + change);
    assert.deepEqual([changed[0], changed.at(-1)], [pcm[0], pcm.at(-1)]);
  }
});

test("a frame is left alone where there is too little to change", () => {
  const pcm = tone(FRAME);
  assert.equal(shorten(pcm, MIN_LAG - 1), pcm);
  assert.equal(lengthen(pcm, 0), pcm);
  assert.equal(shorten(tone(200), 190).length, 200);
});

test("a gap in a tone goes on with the tone, and fades", () => {
  const concealer = new Concealer();
  concealer.played(tone(2 * FRAME));
  const invented = concealer.conceal(FRAME);
  const after = tone(FRAME, 3 * FRAME);
  concealer.played(after);
  const whole = Float32Array.from([...tone(2 * FRAME), ...invented, ...after]);
  assert.ok(steepest(whole) < 2 * SLOPE, String(steepest(whole)));
  assert.ok(Math.max(...invented.subarray(0, 480)) > 0.29);
});

test("a long gap ends in silence", () => {
  const concealer = new Concealer();
  concealer.played(tone(2 * FRAME));
  const invented = concealer.conceal(MAX_CONCEAL + FRAME);
  assert.ok(invented.subarray(MAX_CONCEAL).every((sample) => sample === 0));
});

test("nothing is invented after silence", () => {
  const concealer = new Concealer();
  concealer.played(tone(2 * FRAME));
  concealer.silent();
  assert.ok(concealer.conceal(FRAME).every((sample) => sample === 0));
});

/** Play frames that arrive punctually, in the quanta of a sound card. */
function listen(frames: number, lost: (n: number) => boolean): { pcm: Float32Array; speaker: Speaker } {
  const speaker = new Speaker();
  const pcm = new Float32Array(Math.floor((frames * FRAME) / QUANTUM) * QUANTUM);
  let next = 0;
  for (let at = 0; at < pcm.length; at += QUANTUM) {
    while (next * FRAME <= at) {
      if (!lost(next)) speaker.put(soundFrame(next), at / SAMPLE_RATE);
      next += 1;
    }
    speaker.render(pcm.subarray(at, at + QUANTUM), at / SAMPLE_RATE);
  }
  return { pcm, speaker };
}

test("what was said is what is heard, some frames later", () => {
  const { pcm, speaker } = listen(100, () => false);
  const timestamp = speaker.timestamp ?? 0;
  const expected = tone(20 * FRAME, timestamp - 20 * FRAME);
  const heard = pcm.subarray(pcm.length - 20 * FRAME);
  const error = Math.max(...heard.map((sample, i) => Math.abs(sample - (expected[i] ?? 0))));
  assert.ok(error < 1e-5, String(error));
});

test("losses do not click", () => {
  const { pcm } = listen(300, (n) => n % 20 === 13);
  assert.ok(steepest(pcm) < 2.5 * SLOPE, String(steepest(pcm) / SLOPE));
});

test("a speaker who disappears fades out and comes back with a fade", () => {
  const { pcm } = listen(200, (n) => n >= 60 && n < 120);
  assert.ok(steepest(pcm) < 2.5 * SLOPE, String(steepest(pcm) / SLOPE));
  const middle = pcm.subarray(90 * FRAME, 110 * FRAME);
  assert.ok(middle.every((sample) => sample === 0));
});

test("a gain moves without a step", () => {
  const gain = new Gain();
  const mix = new Float32Array(QUANTUM);
  gain.wanted = 0;
  gain.add(mix, new Float32Array(QUANTUM).fill(0.5));
  assert.ok(steepest(mix) < 0.005);
  assert.ok(Math.abs(mix[QUANTUM - 1] ?? 1) < 1e-6);
  const later = new Float32Array(QUANTUM);
  gain.add(later, new Float32Array(QUANTUM).fill(0.5));
  assert.ok(later.every((sample) => sample === 0));
});

test("a mix that is too loud is bent and never leaves its range", () => {
  const mix = Float32Array.from([0.5, -LIMIT, 1, 4, -4]);
  limit(mix);
  assert.deepEqual([...mix.subarray(0, 2)], [0.5, -LIMIT]);
  assert.ok((mix[2] ?? 0) > LIMIT && (mix[2] ?? 0) < (mix[3] ?? 0));
  assert.ok(mix.every((sample) => Math.abs(sample) <= 1));
});
