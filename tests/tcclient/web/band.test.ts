import assert from "node:assert/strict";
import { test } from "node:test";

import { LOW_AFTER, VoiceBand } from "../../../tcclient/web/src/media/band.js";
import { SAMPLE_RATE } from "../../../tcclient/web/src/media/jitter.js";
import { seeded } from "./random.js";
import { FRAME, tone } from "./sound.js";

/** Frames after which a voice without high sounds is taken for one; a tone begins with a click, which is high. */
const TELLING = Math.ceil((LOW_AFTER * SAMPLE_RATE) / FRAME) + 2;

/** A frame of a sound as a microphone of 16 bits gives it. */
function rounded(pcm: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(pcm, (sample) => Math.round(sample * 32_768) / 32_768);
}

function frame(number: number, frequency: number, amplitude: number): Float32Array<ArrayBuffer> {
  return rounded(tone(FRAME, number * FRAME, frequency, amplitude));
}

/** Give frames from `first` on; return how many samples are left of each. */
function lengths(band: VoiceBand, first: number, count: number, frequency: number, amplitude = 0.3): number[] {
  return Array.from({ length: count }, (_, n) => band.take(frame(first + n, frequency, amplitude)).length);
}

test("a voice without high sounds is left a third of its samples after a while", () => {
  const band = new VoiceBand();
  assert.deepEqual(new Set(lengths(band, 0, TELLING - 4, 3_000)), new Set([FRAME]));
  assert.deepEqual(new Set(lengths(band, TELLING - 4, 100, 3_000).slice(4)), new Set([FRAME / 3]));
});

test("the first high sound brings all samples back, however soft", () => {
  for (const [frequency, amplitude] of [
    [12_000, 0.0002],
    [16_000, 0.0002],
    [20_000, 0.01],
  ] as const) {
    const band = new VoiceBand();
    lengths(band, 0, TELLING, 440);
    const [voice, high] = [frame(TELLING, 440, 0.3), frame(TELLING, frequency, amplitude)];
    assert.equal(band.take(voice.map((sample, i) => sample + (high[i] ?? 0))).length, FRAME, `${frequency} Hz`);
    assert.equal(new Set(lengths(band, TELLING + 1, TELLING - 4, 440)).size, 1);
  }
});

test("loud sounds up to 8 kHz are no high ones", () => {
  const band = new VoiceBand();
  const random = seeded(3);
  const tones = [150, 1_000, 4_000, 7_900].map((frequency) => ({ frequency, amplitude: 0.1 + 0.1 * random() }));
  const frames = Array.from({ length: TELLING + 50 }, (_, n) =>
    rounded(
      tones
        .map(({ frequency, amplitude }) => tone(FRAME, n * FRAME, frequency, amplitude))
        .reduce((sum, one) => sum.map((sample, i) => sample + (one[i] ?? 0))),
    ),
  );
  assert.equal(frames.map((pcm) => band.take(pcm).length).at(-1), FRAME / 3);
});

test("silence and what is soft do not tell", () => {
  const band = new VoiceBand();
  assert.deepEqual(new Set(lengths(band, 0, 3 * TELLING, 1_000, 0)), new Set([FRAME]));
  assert.deepEqual(new Set(lengths(band, 0, 3 * TELLING, 1_000, 0.003)), new Set([FRAME]));
});

test("the samples that are left are those of the same sound, and nothing is folded into it", () => {
  const power = (frequency: number): number => {
    const band = new VoiceBand();
    lengths(band, 0, TELLING, frequency, 0.1);
    const left = Array.from({ length: 5 }, (_, n) => band.take(frame(TELLING + n, frequency, 0.1)));
    assert.ok(left.every((pcm) => pcm.length === FRAME / 3));
    const samples = left.flatMap((pcm) => [...pcm]);
    return samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  };
  for (const frequency of [100, 1_000, 4_000, 6_000]) {
    assert.ok(Math.abs(power(frequency) / (0.1 ** 2 / 2) - 1) < 0.01, `${frequency} Hz: ${power(frequency)}`);
  }
  assert.ok(power(9_000) < 1e-7 * 0.1 ** 2);
});
