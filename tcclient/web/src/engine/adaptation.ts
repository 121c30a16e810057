/** What we send and receive of pictures, by what both ways carry. Sound comes first and is never reduced here. */

/** A quality of our camera. */
export interface CameraQuality {
  /** Lines of the picture. */
  readonly height: 180 | 360 | 720;
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
   * sent, from 0 to 1.
   */
  update(congested: boolean, lossUp: number, now: number): CameraQuality | undefined {
    if (congested || lossUp > 0.1) {
      this.clearSince = undefined;
      if (now >= this.changedAt + REDUCE_INTERVAL) this.change(this.rate * REDUCE, now);
    } else {
      this.clearSince ??= now;
      if (now >= Math.max(this.clearSince, this.changedAt) + RAISE_INTERVAL) this.change(this.rate * RAISE, now);
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

/** Of the packets of pictures, lost on the way down, that make a second a bad one. */
export const BAD_LOSS = 0.05;
/** Bad seconds in a row after which fewer pictures are received. */
export const BAD_SECONDS = 3;
/** Good seconds in a row after which one picture more is tried; twice as many after each attempt that failed. */
export const GOOD_SECONDS = 10;
const MOST_GOOD_SECONDS = 160;

/** Finds how many pictures of others the way down carries. */
export class DownlinkAdaptation {
  /** Pictures that may be received; the page wants no more than it can show. */
  allowed = Infinity;
  private bad = 0;
  private good = 0;
  private patience = GOOD_SECONDS;

  /**
   * Take one second: packets of pictures received and lost, and how many pictures are received; return whether
   * `allowed` changed.
   */
  second(received: number, lost: number, pictures: number): boolean {
    // Loss shows only when something comes: a second in which nothing does is neither good nor bad.
    if (received === 0 && pictures > 0) return false;
    const isBad = lost / (received + lost) > BAD_LOSS;
    this.bad = isBad ? this.bad + 1 : 0;
    this.good = isBad ? 0 : this.good + 1;
    if (this.bad >= BAD_SECONDS && pictures > 0) {
      if (this.allowed !== Infinity) this.patience = Math.min(2 * this.patience, MOST_GOOD_SECONDS);
      this.allowed = Math.floor(Math.min(this.allowed, pictures) / 2);
      this.bad = 0;
      return true;
    }
    if (this.allowed !== Infinity && this.good >= this.patience) {
      // As many as were wanted are received, and more could be: there is nothing to hold back any more.
      this.allowed = pictures < this.allowed ? Infinity : this.allowed + 1;
      this.good = 0;
      return true;
    }
    return false;
  }
}
