/**
 * How high the sounds of a voice go, and fewer samples of one without high sounds. Pure.
 *
 * Many microphones, those of most headsets without a wire among them, have nothing above 8 kHz. libopus sees that in
 * samples of 16 bits (`src/analysis.c`), but WebCodecs gives it floating point, in which the rounding to 16 bits looks
 * like sound up to 20 kHz, and much of the rate goes into that.
 */

import { audioLevel } from "./speech.js";

/** Samples per second of what is captured. */
const SAMPLE_RATE = 48_000;
/** One of so many samples is left of a voice without high sounds: 16 kHz, wide-band. */
const STEP = 3;
/** Seconds of loud sound without high ones after which a voice is taken to have none. */
export const LOW_AFTER = 2;
/** -dBov of a frame that is loud enough to tell. */
const LOUD = 50;
/** Power of high sounds that can be heard, -90 dBov; rounding to 16 bits makes -104, with dither -99. */
const HEARD = 1e-9;
/** High sounds are measured at every so manieth sample. */
const MEASURE_STEP = 8;

const TAPS = 127;
/** Flat to 6.6 kHz, and 74 dB less from 8.8 kHz on, which the samples that are left would take for lower ones. */
const LOW = lowPass(7_700);
/** What is above 11.5 kHz; 74 dB less below 9.4 kHz, where voices without high sounds fade out. */
const HIGH = LOW.map(() => 0);
lowPass(10_450).forEach((tap, i) => (HIGH[i] = (i === TAPS >> 1 ? 1 : 0) - tap));

/** Finds out whether a voice has high sounds. It has until a while of it had none, and again at the first one. */
export class VoiceBand {
  private tail = new Float32Array(TAPS - 1);
  private low = 0;

  /** Take the next frame, at 48 kHz; return it, or a third as many samples if its voice has no high sounds. */
  take(pcm: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
    const whole = new Float32Array(this.tail.length + pcm.length);
    whole.set(this.tail);
    whole.set(pcm, this.tail.length);
    this.tail = whole.slice(pcm.length);
    const high = filtered(whole, HIGH, MEASURE_STEP);
    if (high.reduce((sum, sample) => sum + sample * sample, 0) > HEARD * high.length) this.low = 0;
    else if (audioLevel(pcm) <= LOUD) this.low += pcm.length / SAMPLE_RATE;
    return this.low < LOW_AFTER ? pcm : filtered(whole, LOW, STEP);
  }
}

/** Return every `step`th sample of a sound that went through a filter. */
function filtered(sound: Float32Array, taps: Float32Array, step: number): Float32Array<ArrayBuffer> {
  return new Float32Array((sound.length - TAPS + 1) / step).map((_, i) => {
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap++) sum += (taps[tap] ?? 0) * (sound[i * step + tap] ?? 0);
    return sum;
  });
}

/** Return a filter that lets pass what is below `cutoff` Hz: a sinc in a Blackman window, with a sum of 1. */
function lowPass(cutoff: number): Float32Array {
  const taps = new Float32Array(TAPS).map((_, i) => {
    const at = i - (TAPS >> 1);
    const turn = (2 * Math.PI * i) / (TAPS - 1);
    const sinc =
      at === 0 ? (2 * cutoff) / SAMPLE_RATE : Math.sin((2 * Math.PI * cutoff * at) / SAMPLE_RATE) / (Math.PI * at);
    return sinc * (0.42 - 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn));
  });
  const sum = taps.reduce((all, tap) => all + tap, 0);
  return taps.map((tap) => tap / sum);
}
