/**
 * Sound for what did not come: the last pitch period again and again, fading out.
 *
 * The decoder of a browser has no concealment of its own. The method is that of ITU-T G.711 appendix I.
 */

import { correlate, crossFade, MIN_LAG } from "./stretch.js";

/** Samples, 100 ms: beyond, it is a buzz that says nothing. */
export const MAX_CONCEAL = 4_800;

/** Samples, 15 ms: the period of a deep voice of 67 Hz. */
const MAX_LAG = 720;
/** Samples, 10 ms: what is compared. */
const WINDOW = 480;
/** Samples that are kept of the past: enough for the longest period and the window. */
const KEPT = MAX_LAG + WINDOW;
/** Samples, 10 ms: as it came, before the fading begins. */
const HOLD = 480;
/** Samples, 5 ms: over which real sound replaces what was invented. */
const MERGE = 240;

/** Follows the sound of one stream, and goes on with it where it breaks off. */
export class Concealer {
  private past = new Float32Array(KEPT);
  private period: Float32Array | undefined;
  private invented = 0;

  /** Take sound that is played. After a gap, it changes the beginning of `pcm` in place, so that it does not click. */
  played(pcm: Float32Array): void {
    if (this.period !== undefined) {
      const length = Math.min(MERGE, pcm.length);
      const before = this.invent(length);
      const beginning = pcm.subarray(0, length);
      crossFade(beginning, before, beginning.slice());
      this.period = undefined;
    }
    this.invented = 0;
    this.keep(pcm);
  }

  /** Return `samples` of invented sound: silence, when the gap has become longer than `MAX_CONCEAL`. */
  conceal(samples: number): Float32Array {
    this.period ??= this.lastPeriod();
    return this.invent(samples);
  }

  /** Note that the stream is silent: there is nothing to go on with. */
  silent(): void {
    this.past.fill(0);
    this.period = undefined;
    this.invented = 0;
  }

  private invent(samples: number): Float32Array {
    const result = new Float32Array(samples);
    const period = this.period;
    if (period === undefined) return result;
    for (let i = 0; i < samples; i++, this.invented++) {
      const faded = Math.max(0, this.invented - HOLD) / (MAX_CONCEAL - HOLD);
      if (faded >= 1) break;
      result[i] = (period[this.invented % period.length] ?? 0) * (1 - faded);
    }
    return result;
  }

  /** The last period of the past, whose beginning joins its end. */
  private lastPeriod(): Float32Array {
    const from = KEPT - WINDOW;
    let best = MIN_LAG;
    let most = -Infinity;
    for (let lag = MIN_LAG; lag <= MAX_LAG; lag += 2) {
      const likeness = correlate(this.past, from, from - lag, WINDOW);
      if (likeness > most) {
        most = likeness;
        best = lag;
      }
    }
    const period = this.past.slice(KEPT - best);
    // The end of the period leads over to what came before its beginning, so that the repetition has no edge.
    const overlap = best >> 2;
    const end = period.subarray(best - overlap);
    crossFade(end, end.slice(), this.past.slice(KEPT - best - overlap, KEPT - best));
    return period;
  }

  private keep(pcm: Float32Array): void {
    if (pcm.length >= KEPT) {
      this.past.set(pcm.subarray(pcm.length - KEPT));
      return;
    }
    this.past.copyWithin(0, pcm.length);
    this.past.set(pcm, KEPT - pcm.length);
  }
}
