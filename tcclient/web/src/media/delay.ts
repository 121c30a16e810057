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
/** Share of late frames up to which one more costs little. PESQ falls by 0.15 with so many, and by 0.45 with 1 %. */
export const FEW_LATE = 0.004;

/** Seconds per bucket: finer than the bursts of a sound card. */
const BUCKET = 0.001;
const BUCKETS = Math.round(MAX_TARGET / BUCKET) + 1;
/** Per frame: half of the weight lies within the last 1,000 frames, 20 s of speech. Stalls come every few seconds. */
const FORGET = 0.9993;
/**
 * Punctual frames that are assumed before any came. Without them one that is late at the beginning would count as a large
 * share, and the delay would jump up and down.
 */
const ASSUMED = 150;
/** Seconds of delay that are accepted so that no frame is late: 30 ms for each per cent. */
const LATE_COST = 3;
/** The same, in addition, for what is above `FEW_LATE`: 160 ms for each per cent. */
const MANY_COST = 16;
/** Seconds that each second costs by which the delay is below what a stall, or `MIN_TARGET`, asks for: more than 1. */
const SHORT_COST = 2;
/** Seconds that share one least transit. */
const BASE_INTERVAL = 0.5;
/** 10 s of least transits: at 100 ppm of clock drift they are 1 ms wrong. */
const BASE_INTERVALS = 20;
/** Seconds above the usual delay that make a stall of the network, and not jitter (Moon, Kurose and Towsley 1998). */
const SPIKE = 0.1;
/** Seconds for which a stall is followed: after one stall, another one soon is likely. */
const SPIKE_HOLD = 4;
/** Seconds in which its effect is halved afterwards. */
const SPIKE_HALF_LIFE = 4;
/** Seconds within which a second stall makes stalls usual, so that they count as jitter. One alone is followed. */
const STALL_MEMORY = 20;
/** Seconds after the first late frame of a stall in which the others arrive. What is late for longer is no stall. */
const LONGEST_BURST = 0.5;

/**
 * Follows the transit of frames; `target` is the delay at which delay and late frames together cost least.
 *
 * Over a decaying histogram of relative delays, a delay D costs itself, 3 s times the share of frames that are later than
 * D, and 16 s times the part of that share above 0.4 %. The target is within 60 and 300 ms. A stall that is alone raises it
 * at once for a while; stalls that come again and again count like all frames.
 */
export class DelayEstimator {
  /** Seconds between the earliest possible play-out of a sample and the wanted one. */
  target = MIN_TARGET;
  /** The least transit of the last 10 s, or since the way became longer; undefined before any frame. */
  base: number | undefined;
  private minima: { at: number; least: number }[] = [];
  /** Shares of frames by relative delay; the last bucket has those that no delay covers. */
  private readonly histogram = new Float64Array(BUCKETS + 1);
  /** Frames in the histogram, until some are forgotten. */
  private weight = ASSUMED;
  /** Seconds, by delay. */
  private readonly costs = Float64Array.from({ length: BUCKETS }, (_, i) => Math.abs(BUCKET * i - MIN_TARGET));
  /** The target, were there no stall. What comes within `MIN_TARGET` is never late. */
  private usual = MIN_TARGET;
  /** Whether frames arrive that waited for the end of a stall. */
  private isStalled = false;
  /** When the first frame of the latest stall arrived. */
  private stalledAt = -STALL_MEMORY;
  /** Seconds by which that one was late, unless stalls are usual. */
  private loneStall = 0;

  constructor() {
    this.histogram[0] = 1;
  }

  /** Forget the clocks, after a jump of one; what is known about the jitter stays. */
  forgetTransit(): void {
    this.minima = [];
    this.base = undefined;
  }

  /** Take the transit of one frame that arrived at `now`. The lateness of one that was overtaken is no stall. */
  update(transit: number, now: number, isInOrder = true): void {
    const relative = transit - this.follow(transit, now);
    if (isInOrder) this.noticeStall(relative, now);
    if (this.counts(relative, now)) this.count(relative);
    this.retarget(now);
  }

  /** Return the seconds of delay, or as much in late frames, that the target saves against a delay. */
  gain(delay: number): number {
    const bucket = Math.max(Math.floor(delay / BUCKET), 0);
    const cost = this.costs[bucket] ?? this.cost(BUCKETS - 1) + delay - MAX_TARGET;
    return cost - this.cost(Math.round(this.target / BUCKET));
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
    this.loneStall = Math.max(0, this.loneStall - by);
    const buckets = Math.round(by / BUCKET);
    if (by > MAX_TARGET) {
      this.histogram[BUCKETS] = 0; // nothing but the frames since then was so late
    } else if (buckets > 0) {
      const usual = this.histogram.subarray(0, BUCKETS);
      const first = usual.subarray(0, buckets + 1).reduce((sum, share) => sum + share, 0);
      usual.copyWithin(0, buckets);
      usual.fill(0, BUCKETS - buckets);
      usual[0] = first;
    }
  }

  private noticeStall(relative: number, now: number): void {
    if (relative <= this.usual) {
      this.isStalled = false;
    } else if (relative > this.usual + SPIKE && !this.isStalled) {
      const isUsual = now - this.stalledAt < STALL_MEMORY;
      this.isStalled = true;
      this.stalledAt = now;
      this.loneStall = isUsual ? 0 : Math.min(relative, MAX_TARGET);
    }
  }

  /**
   * Whether the lateness of a frame tells how late others will be.
   *
   * That of an outage, longer than any delay, or of a stall that is alone, does not.
   */
  private counts(relative: number, now: number): boolean {
    if (!this.isStalled || now > this.stalledAt + LONGEST_BURST) return true;
    return this.loneStall === 0 && relative <= MAX_TARGET;
  }

  private count(relative: number): void {
    const forget = Math.min(FORGET, this.weight / (this.weight + 1));
    this.weight += 1;
    const at = Math.min(Math.floor(relative / BUCKET), BUCKETS);
    for (let i = 0; i <= BUCKETS; i++) this.histogram[i] = this.share(i) * forget + (i === at ? 1 - forget : 0);
  }

  private retarget(now: number): void {
    const age = Math.max(0, now - this.stalledAt - SPIKE_HOLD);
    const wanted = Math.max(this.loneStall * 0.5 ** (age / SPIKE_HALF_LIFE), MIN_TARGET);
    let late = this.histogram.reduce((sum, share) => sum + share, 0);
    let [usual, usualCost, best, bestCost] = [0, Infinity, 0, Infinity];
    for (let i = 0; i < BUCKETS; i++) {
      late -= this.share(i);
      const delay = BUCKET * i;
      const cost = delay + LATE_COST * late + MANY_COST * Math.max(late - FEW_LATE, 0);
      if (cost < usualCost) [usual, usualCost] = [delay, cost];
      const whole = cost + SHORT_COST * Math.max(wanted - delay, 0);
      if (whole < bestCost) [best, bestCost] = [delay, whole];
      this.costs[i] = whole;
    }
    [this.usual, this.target] = [Math.max(usual, MIN_TARGET), best];
  }

  private share(bucket: number): number {
    return this.histogram[bucket] ?? 0;
  }

  private cost(bucket: number): number {
    return this.costs[bucket] ?? 0;
  }
}
