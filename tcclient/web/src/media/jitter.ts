/**
 * A jitter buffer for the sound of one speaker.
 *
 * Decoded frames go in as they arrive, with `put()`; `get()` gives the next stretch to play, labelled with its origin.
 * A late frame waits its turn and is played late. The speaker then lags. The lag is won back in pauses: silent frames
 * are dropped, quiet ones are shortened, and others a little. So a stall of the network costs a pause and not a word.
 *
 * All times are in seconds of one monotonic clock, which may be that of the sound card.
 */

import { unwrap, wrapped } from "../protocol/serial.js";
import { MAX_CONCEAL } from "./conceal.js";
import { DelayEstimator } from "./delay.js";

/** Samples per second. */
export const SAMPLE_RATE = 48_000;
/** Samples, 120 ms: the longest Opus packet. */
export const MAX_FRAME = 5_760;
/** Samples between the oldest and the newest frame: more than `MAX_DELAY`, so it only fills when nobody plays. */
export const MAX_BUFFERED = SAMPLE_RATE;
/** Frames in the buffer: bounds the memory whatever durations packets claim. */
export const MAX_FRAMES = 128;
/** Seconds of sound that waits, above which the oldest is skipped: a conversation is impossible by then. */
export const MAX_DELAY = 0.6;
/** Frames behind the newest that are only old; farther behind, the sender has started again. */
export const MAX_REORDER = 1_024;
/** Seconds that the transit of a frame may differ from the least: beyond, a clock has jumped. */
export const RESYNC_JUMP = 1;
/** Of the speed of play-out: less than listeners notice. */
export const MAX_SPEED_CHANGE = 0.05;

/** Samples, 20 ms: the stretch given when nothing says how long. */
const TICK = 960;
/** Samples of which a sound card wants some at a time: what is waited for is looked at again after so many. */
const WAIT = 128;
/** Samples, 10 ms: the longest pitch period, which is what is cut out or repeated. */
const MAX_ADJUST = 480;
/** Seconds of delay, or as much in late frames, that a change of the delay in quiet sound has to save. */
const WORTH_CHANGING = 0.002;
/** The same where the change may be heard. */
const WORTH_HEARING = 0.02;

/** A decoded packet of sound. */
export interface SoundFrame {
  /** u32, as on the wire. */
  readonly sequence: number;
  /** u32, in samples at 48 kHz. */
  readonly timestamp: number;
  /** 1 to `MAX_FRAME` samples, mono, -1 to 1. */
  readonly pcm: Float32Array;
  readonly comfort: boolean;
  readonly endOfTalk: boolean;
  /** Milliseconds for which the relay held the packet back, which is not jitter. */
  readonly heldMs: number;
}

/** What became of a frame: `late` and `duplicate` are discarded, `resync` is queued after all else was forgotten. */
export type PutResult = "queued" | "late" | "duplicate" | "resync";

/**
 * A stretch of sound to play.
 *
 * `frame`: play the sound. `conceal`: lost. `lost`: lost, and too long to conceal: be silent. `late`: not here yet, nor
 * anything newer: conceal; media time stands still. `silence`: nothing is expected; it may be cut short.
 */
export interface Stretch {
  readonly kind: "frame" | "conceal" | "lost" | "late" | "silence";
  readonly pcm: Float32Array | undefined;
  /** Media time of the first sample, u32; undefined for `late` and `silence`. */
  readonly timestamp: number | undefined;
  /** Samples before adjustment. */
  readonly duration: number;
  /** Samples by which it is to be shortened (below zero) or lengthened, up to so many; only for `frame`. */
  readonly adjust: number;
  /** Whether that may be heard. Otherwise only quiet sound is changed. */
  readonly isAudible: boolean;
}

/** Counts of frames, and of samples, since the beginning; the two delays are the present ones, in seconds. */
export interface JitterStatistics {
  received: number;
  played: number;
  /** Frames that had not arrived when a newer one was played. */
  lost: number;
  late: number;
  duplicate: number;
  /** Dropped to shorten the delay or to bound the memory. */
  discarded: number;
  resyncs: number;
  /** Samples that were invented. */
  concealed: number;
  target: number;
  delay: number;
}

interface Queued {
  /** Unwrapped, as the timestamp. */
  readonly sequence: number;
  readonly timestamp: number;
  readonly frame: SoundFrame;
}

export class JitterBuffer {
  readonly statistics: JitterStatistics = {
    received: 0,
    played: 0,
    lost: 0,
    late: 0,
    duplicate: 0,
    discarded: 0,
    resyncs: 0,
    concealed: 0,
    target: 0,
    delay: 0,
  };
  private readonly delay = new DelayEstimator();
  /** In the order of their sequence numbers. */
  private queue: Queued[] = [];
  private newest: { sequence: number; timestamp: number } | undefined;
  /** Sequence numbers that have arrived, of the last `MAX_REORDER`. */
  private seen = new Set<number>();
  private playing = false;
  /** Media time of the next sample to play. */
  private position: number | undefined;
  /** The frame that was played or skipped last. */
  private last: Queued | undefined;
  /** Samples invented while media time stood still. */
  private stalled = 0;
  /** Samples invented since the last frame. */
  private concealed = 0;
  /** Media time before which the speed stays as it is. */
  private adjustFrom = 0;

  /** Samples between the oldest and the newest frame in the buffer, both included. */
  get buffered(): number {
    const [oldest, newest] = [this.queue[0], this.queue.at(-1)];
    return oldest === undefined || newest === undefined ? 0 : end(newest) - oldest.timestamp;
  }

  /** Take a frame that arrived at `now`. */
  put(frame: SoundFrame, now: number): PutResult {
    const counts = this.statistics;
    counts.received += 1;
    let sequence = frame.sequence;
    let timestamp = frame.timestamp;
    if (this.newest !== undefined) {
      sequence = unwrap(sequence, this.newest.sequence);
      timestamp = unwrap(timestamp, this.newest.timestamp);
    }
    const transit = now - frame.heldMs / 1000 - timestamp / SAMPLE_RATE;
    let result: PutResult = "queued";
    if (this.jumped(sequence, transit)) {
      counts.resyncs += 1;
      this.forget();
      result = "resync";
    }
    const isInOrder = this.newest === undefined || sequence > this.newest.sequence;
    if (!this.note(sequence, timestamp)) {
      counts.duplicate += 1;
      return "duplicate";
    }
    const base = this.delay.base;
    if (base === undefined || Math.abs(transit - base) <= RESYNC_JUMP) this.delay.update(transit, now, isInOrder);
    if (this.passed(sequence, timestamp)) {
      counts.late += 1;
      return "late";
    }
    if (this.stalled > 0 && timestamp === this.position) counts.late += 1;
    this.insert({ sequence, timestamp, frame });
    while (this.queue.length > MAX_FRAMES || this.buffered > MAX_BUFFERED) this.skip();
    return result;
  }

  /** Give the next stretch, as of `now`; call when those before, as adjusted, have been played. */
  get(now: number): Stretch {
    const stretch = this.next(now);
    if (stretch.kind === "conceal" || stretch.kind === "late") this.statistics.concealed += stretch.duration;
    if (stretch.kind === "frame") this.statistics.played += 1;
    this.statistics.delay = stretch.kind === "silence" ? this.delay.target : this.lag(now);
    this.statistics.target = this.delay.target;
    return stretch;
  }

  private next(now: number): Stretch {
    const head = this.head(now);
    if (this.playing && head !== undefined) {
      const bridge = this.bridge(head);
      if (bridge !== undefined) return bridge;
    }
    if (!this.playing) {
      if (head === undefined || this.lag(now, head.timestamp) < this.delay.target) return SILENCE;
      this.playing = true;
    }
    return head === undefined ? this.starve() : this.play(head, now);
  }

  /** Fill the gap before `head`; undefined, and perhaps no longer playing, if there is nothing to fill. */
  private bridge(head: Queued): Stretch | undefined {
    const last = this.last;
    if (this.position === undefined || last === undefined) return undefined;
    // What was invented while waiting has already stood in for the beginning of the gap.
    const covered = Math.min(this.stalled, head.timestamp - this.position);
    this.position += covered;
    this.stalled -= covered;
    const gap = head.timestamp - this.position;
    if (gap === 0) return undefined;
    if (ended(last) || head.sequence === last.sequence + 1 || gap > RESYNC_JUMP * SAMPLE_RATE) {
      this.playing = false;
      return undefined;
    }
    const timestamp = wrapped(this.position);
    const duration = Math.min(gap, last.frame.pcm.length);
    const kind = this.concealed < MAX_CONCEAL ? "conceal" : "lost";
    this.position += duration;
    this.concealed += duration;
    return { kind, pcm: undefined, timestamp, duration, adjust: 0, isAudible: false };
  }

  /** Nothing to play while playing: wait for what is late, or fall silent. */
  private starve(): Stretch {
    if (this.last === undefined || ended(this.last) || this.concealed >= MAX_CONCEAL) {
      this.playing = false;
      return SILENCE;
    }
    this.stalled += WAIT;
    this.concealed += WAIT;
    return { kind: "late", pcm: undefined, timestamp: undefined, duration: WAIT, adjust: 0, isAudible: false };
  }

  private play(head: Queued, now: number): Stretch {
    this.queue.shift();
    const { pcm } = head.frame;
    if (this.last !== undefined && this.position !== undefined && !ended(this.last)) {
      const gone = head.timestamp - end(this.last);
      if (gone > 0 && gone <= RESYNC_JUMP * SAMPLE_RATE) {
        this.statistics.lost += Math.min(head.sequence - this.last.sequence - 1, Math.ceil(gone / pcm.length));
      }
    }
    this.position = head.timestamp;
    const changed = this.adjustment(head, now);
    this.position = end(head);
    this.last = head;
    this.stalled = 0;
    this.concealed = 0;
    return { kind: "frame", pcm, timestamp: head.frame.timestamp, duration: pcm.length, ...changed };
  }

  /**
   * How much to change the length of this frame, so that the delay nears its target, and whether that may be heard.
   *
   * What may be heard changes the speed by 5 % at most, and has to save more. A frame is shortened only where more is
   * waiting: otherwise the time won would be spent on waiting for the next.
   */
  private adjustment(head: Queued, now: number): { adjust: number; isAudible: boolean } {
    const lag = this.lag(now);
    const [excess, gain] = [lag - this.delay.target, this.delay.gain(lag)];
    const change = Math.min(Math.abs(excess), excess > 0 ? this.waiting() : Infinity);
    const samples = Math.min(Math.floor(change * SAMPLE_RATE), MAX_ADJUST, head.frame.pcm.length >> 1);
    if (gain < WORTH_CHANGING || samples === 0) return { adjust: 0, isAudible: false };
    const isAudible = gain >= WORTH_HEARING && head.timestamp >= this.adjustFrom;
    if (isAudible) this.adjustFrom = head.timestamp + Math.round(samples / MAX_SPEED_CHANGE);
    return { adjust: excess > 0 ? -samples : samples, isAudible };
  }

  /** The frame to play next, after dropping what cannot or need not be played. */
  private head(now: number): Queued | undefined {
    for (;;) {
      const head = this.queue[0];
      if (head === undefined) return undefined;
      if (this.passed(head.sequence, head.timestamp)) {
        this.queue.shift();
        this.statistics.late += 1;
        continue;
      }
      const excess = this.lag(now, head.timestamp) - this.delay.target;
      const surplus = head.frame.comfort && this.queue.length > 1 && excess * SAMPLE_RATE >= head.frame.pcm.length;
      if (!surplus && this.waiting() <= MAX_DELAY) return head;
      this.skip();
    }
  }

  /** Drop the oldest frame and move behind it. */
  private skip(): void {
    const head = this.queue.shift();
    if (head === undefined) return;
    this.statistics.discarded += 1;
    this.position = end(head);
    this.last = head;
  }

  /** Seconds of sound in the buffer, without gaps between frames. */
  private waiting(): number {
    return this.queue.reduce((sum, queued) => sum + queued.frame.pcm.length, 0) / SAMPLE_RATE;
  }

  /** Seconds by which media of `timestamp` is later at `now` than it could be. */
  private lag(now: number, timestamp = this.position): number {
    const base = this.delay.base;
    return base === undefined || timestamp === undefined ? 0 : now - timestamp / SAMPLE_RATE - base;
  }

  private passed(sequence: number, timestamp: number): boolean {
    if (this.last !== undefined && sequence <= this.last.sequence) return true;
    return this.position !== undefined && timestamp < this.position;
  }

  private jumped(sequence: number, transit: number): boolean {
    const base = this.delay.base;
    if (this.newest === undefined || base === undefined) return false;
    const ahead = sequence - this.newest.sequence;
    return ahead < -MAX_REORDER || (ahead > 0 && Math.abs(transit - base) > RESYNC_JUMP);
  }

  /** Remember the numbers of a frame; false if it is a duplicate. */
  private note(sequence: number, timestamp: number): boolean {
    if (this.seen.has(sequence)) return false;
    this.seen.add(sequence);
    if (this.newest === undefined || sequence > this.newest.sequence) this.newest = { sequence, timestamp };
    if (this.seen.size > 2 * MAX_REORDER) {
      const lowest = this.newest.sequence - MAX_REORDER;
      this.seen = new Set([...this.seen].filter((number) => number >= lowest));
    }
    return true;
  }

  private insert(queued: Queued): void {
    let at = this.queue.length;
    while (at > 0 && (this.queue[at - 1]?.sequence ?? 0) > queued.sequence) at -= 1;
    this.queue.splice(at, 0, queued);
  }

  /** Begin again, with what is known about the jitter. */
  private forget(): void {
    this.queue = [];
    this.delay.forgetTransit();
    this.seen.clear();
    this.newest = undefined;
    this.position = undefined;
    this.last = undefined;
    this.playing = false;
    this.stalled = 0;
    this.concealed = 0;
    this.adjustFrom = 0;
  }
}

const SILENCE: Stretch = {
  kind: "silence",
  pcm: undefined,
  timestamp: undefined,
  duration: TICK,
  adjust: 0,
  isAudible: false,
};

/** Whether no frame need follow this one. */
function ended(queued: Queued): boolean {
  return queued.frame.endOfTalk || queued.frame.comfort;
}

function end(queued: Queued): number {
  return queued.timestamp + queued.frame.pcm.length;
}
