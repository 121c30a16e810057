/**
 * How long to hold sound back: the arrival jitter of one stream, turned into a play-out delay.
 *
 * The *transit* of a frame is its arrival minus its media time, so it contains the unknown difference of two clocks.
 * Only its excess over the least transit of the last seconds matters: the *relative delay*, which is what a jitter
 * buffer must cover. All times are in seconds.
 */

/** Three turns of a sound card of 20 ms: what a browser gives to its worklets comes in bursts. */
export const MIN_TARGET = 0.06;
/** With more delay, speakers interrupt each other (ITU-T G.114); losing later frames is the lesser evil. */
export const MAX_TARGET = 0.3;

/** Seconds per bucket: finer than anybody hears, coarse enough to fill. */
const BUCKET = 0.005;
const BUCKETS = Math.round(MAX_TARGET / BUCKET);
/** Per frame: half of the weight lies within the last 350 frames, 7 s of speech. */
const FORGET = 0.998;
/** Seconds of delay that we would pay to make no frame late: 20 ms for each per cent. */
const LATE_COST = 2;
/** Seconds that share one least transit. */
const BASE_INTERVAL = 0.5;
/** 10 s of least transits: at 100 ppm of clock drift they are 1 ms wrong. */
const BASE_INTERVALS = 20;
/** Seconds above the target that make a stall of the network, and not jitter (Moon, Kurose and Towsley 1998). */
const SPIKE = 0.1;
/** Seconds: a second stall within it is half expected. */
const SPIKE_HALF_LIFE = 5;

/**
 * Follows the transit of frames; `target` is the delay at which delay and lateness together cost least.
 *
 * Over a decaying histogram of relative delays, `target = argmin_D [D + 2 s * P(relative delay > D)]`, from 60 to
 * 300 ms. A stall raises it at once, and is forgotten by halves.
 */
export class DelayEstimator {
  /** Seconds between the earliest possible play-out of a sample and the wanted one. */
  target = MIN_TARGET;
  /** The least transit of the last 10 s, or since the way became longer; undefined before any frame. */
  base: number | undefined;
  private minima: { at: number; least: number }[] = [];
  private readonly histogram = new Float64Array(BUCKETS + 1);
  private updates = 0;
  private spike = 0;
  private spikeAt = 0;

  constructor() {
    this.histogram[Math.round(MIN_TARGET / BUCKET) - 1] = 1;
  }

  /** Forget the clocks, after a jump of one; what is known about the jitter stays. */
  forgetTransit(): void {
    this.minima = [];
    this.base = undefined;
  }

  /** Take the transit of one frame that arrived at `now`. */
  update(transit: number, now: number): void {
    const relative = transit - this.follow(transit, now);
    this.updates += 1;
    // All frames weigh the same until there are enough to forget any, so that the first guess is soon outvoted.
    const forget = Math.min(FORGET, this.updates / (this.updates + 1));
    for (let i = 0; i <= BUCKETS; i++) this.histogram[i] = this.weight(i) * forget;
    this.add(Math.min(Math.floor(relative / BUCKET), BUCKETS), 1 - forget);
    this.retarget(relative, now);
  }

  private follow(transit: number, now: number): number {
    const before = this.base;
    const newest = this.minima.at(-1);
    if (newest === undefined || now - newest.at >= BASE_INTERVAL) {
      // A whole interval that no play-out delay covers: the way has become longer, whatever it was before.
      if (before !== undefined && newest !== undefined && newest.least - before > MAX_TARGET) this.minima = [newest];
      this.minima.push({ at: now, least: transit });
      if (this.minima.length > BASE_INTERVALS) this.minima.shift();
    } else if (transit < newest.least) {
      newest.least = transit;
    }
    const base = Math.min(...this.minima.map((interval) => interval.least));
    this.base = base;
    if (before !== undefined && base > before) this.raised(base - before);
    return base;
  }

  /** Count the frames seen so far from the new base on. Otherwise a longer path would look like jitter. */
  private raised(by: number): void {
    this.spike = Math.max(0, this.spike - by);
    if (by > MAX_TARGET) {
      this.histogram[BUCKETS] = 0; // nothing but the frames since then was so late
      return;
    }
    const buckets = Math.round(by / BUCKET);
    if (buckets === 0) return;
    let first = 0;
    for (let i = 0; i <= Math.min(buckets, BUCKETS - 1); i++) first += this.weight(i);
    for (let i = 1; i < BUCKETS; i++) this.histogram[i] = i + buckets < BUCKETS ? this.weight(i + buckets) : 0;
    this.histogram[0] = first;
  }

  private retarget(relative: number, now: number): void {
    let late = this.histogram.reduce((sum, weight) => sum + weight, 0);
    let usual = MAX_TARGET;
    let least = Infinity;
    for (let i = 0; i < BUCKETS; i++) {
      late -= this.weight(i);
      const delay = BUCKET * (i + 1);
      const cost = delay + LATE_COST * late;
      if (cost < least) {
        least = cost;
        usual = delay;
      }
    }
    let expected = this.spike * 0.5 ** ((now - this.spikeAt) / SPIKE_HALF_LIFE);
    if (relative > Math.max(usual + SPIKE, expected)) {
      expected = relative;
      this.spike = relative;
      this.spikeAt = now;
    }
    this.target = Math.min(Math.max(usual, expected, MIN_TARGET), MAX_TARGET);
  }

  private weight(bucket: number): number {
    return this.histogram[bucket] ?? 0;
  }

  private add(bucket: number, weight: number): void {
    this.histogram[bucket] = this.weight(bucket) + weight;
  }
}
