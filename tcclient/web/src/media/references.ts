/** Which pictures a decoder may see, and when to ask for a keyframe. */

import { wrapped } from "../protocol/serial.js";
import type { PictureHeader } from "./assembly.js";

/** Seconds between requests. */
export const REQUEST_INTERVAL = 0.5;
/** Seconds between requests of a receiver whom keyframes do not help. */
export const MAX_REQUEST_INTERVAL = 16;
/** How many times longer each interval of such a receiver is. */
export const GROWTH = 4;
/** Pictures that have to follow from a keyframe for it to have helped. */
export const ENOUGH = 5;

/** Furthest back, in frames, that a picture can refer: the field on the wire has one byte. */
const MAX_DISTANCE = 255;
const FRAME_ID_BITS = 16;

/**
 * Follows the chain of frame ids of one stream: a picture is decodable if it is a keyframe, or what it refers to was.
 *
 * `now` is in seconds of a monotonic clock.
 */
export class References {
  private decodable = new Set<number>();
  private waiting = true;
  private asked: number | undefined;
  private interval = REQUEST_INTERVAL;
  /** Pictures since the last request. */
  private admitted = 0;

  /** Return whether the next picture of the stream, in order, may be decoded. */
  admit(header: PictureHeader): boolean {
    if (header.keyframe) {
      this.decodable = new Set([header.frameId]);
      this.admitted += 1;
      this.waiting = false;
      return true;
    }
    const reference = wrapped(header.frameId - header.reference, FRAME_ID_BITS);
    if (header.reference === 0 || header.reference > MAX_DISTANCE || !this.decodable.has(reference)) {
      this.waiting ||= header.temporal === 0;
      return false;
    }
    if (this.decodable.size > 2 * MAX_DISTANCE) {
      const near = (id: number): boolean => wrapped(header.frameId - id, FRAME_ID_BITS) <= MAX_DISTANCE;
      this.decodable = new Set([...this.decodable].filter(near));
    }
    this.decodable.add(header.frameId);
    this.admitted += 1;
    return true;
  }

  /** Note that the decoder failed, or was begun anew: nothing is decodable before the next keyframe. */
  broken(): void {
    this.decodable.clear();
    this.waiting = true;
  }

  /** Return whether to ask the sender for a keyframe now; true counts as asked. */
  keyframeDue(now: number): boolean {
    if (!this.waiting || (this.asked !== undefined && now - this.asked < this.interval)) return false;
    const helped = this.asked === undefined || this.admitted >= ENOUGH;
    this.interval = helped ? REQUEST_INTERVAL : Math.min(GROWTH * this.interval, MAX_REQUEST_INTERVAL);
    this.asked = now;
    this.admitted = 0;
    return true;
  }
}
