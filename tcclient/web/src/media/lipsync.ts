/**
 * When to show the pictures of a speaker, so that they go with the sound.
 *
 * Sound waits in its jitter buffer, pictures do not: so pictures wait for the sound. Beacons tell when each sample and
 * each picture was captured, in one clock of the sender.
 */

/** Seconds for which a picture may wait. Sound is never that late: its buffer holds 0.3 s, and the card little more. */
export const MAX_HOLD = 0.4;
/** Seconds after which what is known of the sound of a silent speaker is forgotten. */
export const MEMORY = 5;
/** Of the difference, per report: a change of the play-out delay is followed within a second, without a jolt. */
const FOLLOW = 0.2;
/** Seconds: a difference that is no drift, but another clock. */
const JUMP = 0.5;

/** A moment of a stream, in the clock of the stream and in that of its sender (PROTOCOL.md section 8). */
export interface ClockMapping {
  /** Media timestamp, u32. */
  readonly timestamp: number;
  /** Monotonic seconds of the sender. */
  readonly time: number;
}

/** Return when a media timestamp was captured, in seconds of the sender; `rate` is in ticks per second. */
export function captureTime(mapping: ClockMapping, timestamp: number, rate: number): number {
  return mapping.time + ((timestamp - mapping.timestamp) | 0) / rate;
}

/** Follows the sound of one speaker. Times of ours are monotonic seconds. */
export class LipSync {
  /** Our time less the sender's, of the sound that is heard. */
  private offset: number | undefined;
  private reportedAt = 0;

  /** Note that sound captured at `captured` is heard at `heardAt`. */
  heard(captured: number, heardAt: number, now: number): void {
    const offset = heardAt - captured;
    const fresh = this.offset === undefined || now > this.reportedAt + MEMORY;
    const before = this.offset ?? offset;
    this.offset = fresh || Math.abs(offset - before) > JUMP ? offset : before + FOLLOW * (offset - before);
    this.reportedAt = now;
  }

  /** Return when to show a picture that was captured at `captured`: from `now` to `MAX_HOLD` later. */
  showAt(captured: number, now: number): number {
    if (this.offset === undefined || now > this.reportedAt + MEMORY) return now;
    const due = captured + this.offset;
    return due <= now || due > now + MAX_HOLD ? now : due;
  }
}
