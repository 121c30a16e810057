/** What we send and receive of pictures, by what both ways carry. Sound comes first and is never reduced here. */

/** A quality of our camera. */
export interface CameraQuality {
  /** Lines of the picture. */
  readonly height: number;
  readonly framesPerSecond: number;
  /** Bits per second. */
  readonly bitrate: number;
}

/** Bits per second below which pictures would not move: the camera pauses. */
export const LEAST_BITRATE = 80_000;
/** Bits per second with which a camera begins: what nearly every line carries. */
export const START_BITRATE = 600_000;
/** Bits per second of a camera of 720 lines. */
export const MOST_BITRATE = 1_800_000;
/** Seconds between two reductions, since what was reduced takes a while to show. */
export const REDUCE_INTERVAL = 1;
/** Seconds without congestion after which the rate goes up. */
export const RAISE_INTERVAL = 2;
/** Seconds after which a paused camera is tried again. */
export const RETRY_PAUSED = 10;

const REDUCE = 0.7;
const RAISE = 1.1;
/** The rate over what is sent, at most: the next larger size is reached, and no more is taken for granted. */
const MOST_UNUSED = 1.6;
/** A smaller picture is chosen below the first figure, and left again above the second: no flapping between. */
const SMALL_PICTURE = { below: 220_000, above: 300_000 } as const;
const LARGE_PICTURE = { below: 900_000, above: 1_100_000 } as const;

/** Finds the rate that the way up carries: additive raises would be slow, so it goes up and down by factors. */
export class UplinkAdaptation {
  private rate = START_BITRATE;
  private height: 180 | 360 | 720 = 360;
  private pausedAt: number | undefined;
  private changedAt = 0;
  private clearSince: number | undefined;

  /** `most` bounds the rate: what the room allows, in bits per second. */
  constructor(private most = MOST_BITRATE) {}

  /** Note what the room allows a camera. */
  allow(most: number): void {
    this.most = Math.min(most, MOST_BITRATE);
    this.rate = Math.min(this.rate, this.most);
  }

  /**
   * Take what was seen since the last call, some tenths of a second ago; return the quality to send, or undefined for a
   * pause.
   *
   * `congested`: datagrams of pictures were dropped in front of the socket, or waited all the time. `lossUp`: of what we
   * sent, from 0 to 1. `used`: bits per second of what is sent, which is less where nobody wants the largest size.
   */
  update(congested: boolean, lossUp: number, used: number, now: number): CameraQuality | undefined {
    if (congested || lossUp > 0.1) {
      this.clearSince = undefined;
      if (now >= this.changedAt + REDUCE_INTERVAL) this.change(this.rate * REDUCE, now);
    } else {
      this.clearSince ??= now;
      const isDue = now >= Math.max(this.clearSince, this.changedAt) + RAISE_INTERVAL;
      if (isDue && this.rate < MOST_UNUSED * used) this.change(this.rate * RAISE, now);
    }
    if (this.rate < LEAST_BITRATE) {
      this.pausedAt ??= now;
      if (now < this.pausedAt + RETRY_PAUSED) return undefined;
      this.change(2 * LEAST_BITRATE, now);
    }
    this.pausedAt = undefined;
    return { height: this.height, framesPerSecond: this.height === 180 ? 15 : 25, bitrate: Math.round(this.rate) };
  }

  private change(rate: number, now: number): void {
    this.rate = Math.min(rate, this.most);
    this.changedAt = now;
    if (this.rate < SMALL_PICTURE.below) this.height = 180;
    else if (this.rate > SMALL_PICTURE.above && this.height === 180) this.height = 360;
    if (this.rate > LARGE_PICTURE.above) this.height = 720;
    else if (this.rate < LARGE_PICTURE.below && this.height === 720) this.height = 360;
  }
}

/** A size of the pictures of a camera, its weight where layers share the rate, and its most bits per second. */
interface Size {
  readonly lines: number;
  readonly weight: number;
  readonly most: number;
}

const SMALL: Size = { lines: 180, weight: 1, most: 200_000 };
const MEDIUM: Size = { lines: 360, weight: 3, most: 700_000 };
const LARGE: Size = { lines: 720, weight: 9, most: MOST_BITRATE };

function sizeOf(lines: number): Size {
  if (lines <= SMALL.lines) return SMALL;
  return lines <= MEDIUM.lines ? MEDIUM : LARGE;
}

/** Return the lines of the spatial layers of a camera with `lines`, the smallest first: each has half of the next. */
export function cameraLayers(lines: number): number[] {
  const most = Math.min(lines, LARGE.lines);
  if (most >= LARGE.lines) return [most / 4, most / 2, most];
  return most >= MEDIUM.lines ? [most / 2, most] : [most];
}

/**
 * Return the qualities of the spatial layers that have `heights` lines, the smallest first; undefined for those that are
 * not sent.
 *
 * What is not wanted is not sent, and no layer that is too large for the rate: `quality` has the lines that it is enough
 * for. The smallest wanted layer is sent in any case, then with fewer lines than it could have.
 */
export function layerQualities(
  { height: most, framesPerSecond, bitrate }: CameraQuality,
  heights: readonly number[],
  wanted: readonly boolean[],
): (CameraQuality | undefined)[] {
  const lowest = wanted.indexOf(true);
  const sent = heights.map((lines, layer) => {
    const isSent = wanted[layer] === true && (layer === lowest || sizeOf(lines).lines <= most);
    return isSent ? Math.min(lines, most) : undefined;
  });
  const weights = sent.reduce<number>((sum, lines) => sum + (lines === undefined ? 0 : sizeOf(lines).weight), 0);
  return sent.map((height) => {
    if (height === undefined) return undefined;
    const { weight, most: mostBits } = sizeOf(height);
    return { height, framesPerSecond, bitrate: Math.round(Math.min(mostBits, (bitrate * weight) / weights)) };
  });
}

/** Of the packets of pictures, or of all, lost on the way down, that make a second a bad one. */
export const BAD_LOSS = 0.05;
/** Bad seconds in a row after which fewer pictures are received. */
export const BAD_SECONDS = 2;
/** Good seconds in a row after which more is tried; twice as many after each attempt that failed. */
export const GOOD_SECONDS = 10;
const MOST_GOOD_SECONDS = 160;
/** Packets of pictures, more than one of these has: lost in a second, they end an attempt at once. */
export const FAILED_LOSS = 4;
/** Of what came in bad seconds, that is used from then on: the rest lets the queue drain. */
const USABLE = 0.8;
/** Of what more would take, that the budget gets: bit rates vary. */
const MARGIN = 1.05;

/** Packets of pictures that came, and those that were lost on the way down. */
export interface PicturePackets {
  readonly received: number;
  readonly lost: number;
}

/** The same of a second. */
export interface PictureSecond extends PicturePackets {
  /** Of what came. */
  readonly bits: number;
}

/** What came of all in a second, sound and pictures, in packets. */
export interface DownlinkSecond {
  /** Sent to us. */
  readonly packets: number;
  readonly lost: number;
}

/** Finds how many bits per second of pictures of others the way down carries. */
export class DownlinkAdaptation {
  /** Bits per second that may be asked for. */
  budget = Infinity;
  private bad: number[] = [];
  private good = 0;
  private patience = GOOD_SECONDS;
  /** The budget before it was raised; undefined where that was long ago, or it was lowered since. */
  private before: number | undefined;
  private isSettling = false;

  /**
   * Take one second: of pictures, and of all that comes. `expectsPictures`: some are asked for. `next`: the budget with
   * which more would be; infinity where all that the page wants are asked for. Return whether `budget` changed.
   */
  second(pictures: PictureSecond, all: DownlinkSecond, expectsPictures: boolean, next: number): boolean {
    const isBad = isLossy(pictures.received + pictures.lost, pictures.lost) || isLossy(all.packets, all.lost);
    // Loss of pictures shows only when some come. Without, that of sound may tell that the line is slow; else the second
    // is neither good nor bad, since their publisher may have stopped; and so it is where the page wants none.
    if (!isBad && (expectsPictures ? pictures.received === 0 : next === Infinity)) return false;
    if (this.isSettling) {
      // What was asked for before was still on its way.
      this.isSettling = false;
      return false;
    }
    if (isBad) {
      this.good = 0;
      // Where none are asked for, there is nothing to give up.
      if (expectsPictures) this.bad.push(pictures.bits);
      return this.bad.length >= BAD_SECONDS && this.lower();
    }
    this.bad = [];
    this.good += 1;
    if (this.before !== undefined && this.good >= GOOD_SECONDS) {
      // The way down bears what was tried.
      this.before = undefined;
      this.patience = GOOD_SECONDS;
    }
    if (this.budget === Infinity || this.good < this.patience) return false;
    this.good = 0;
    this.before = this.budget;
    this.budget = MARGIN * next;
    return true;
  }

  /** Look at a second that is not over: return whether `budget` changed, since an attempt at more has failed. */
  glance({ received, lost }: PicturePackets): boolean {
    return this.before !== undefined && lost >= FAILED_LOSS && isLossy(received + lost, lost) && this.lower();
  }

  private lower(): boolean {
    const { budget } = this;
    this.good = 0;
    const came = this.bad.reduce((sum, bits) => sum + bits, 0) / this.bad.length;
    if (this.before === undefined) this.budget = USABLE * Math.min(came, budget);
    else {
      // What was tried is taken back, and tried again later.
      this.budget = this.before;
      this.patience = Math.min(2 * this.patience, MOST_GOOD_SECONDS);
    }
    this.before = undefined;
    this.isSettling = true;
    this.bad = [];
    return this.budget !== budget;
  }
}

function isLossy(packets: number, lost: number): boolean {
  return lost > BAD_LOSS * packets;
}
