/** From the frames of one speaker to a steady stream of sound: jitter buffer, stretching and concealment. */

import { Concealer } from "./conceal.js";
import { JitterBuffer, type SoundFrame, type Stretch } from "./jitter.js";
import { QuietDetector } from "./speech.js";
import { lengthen, resize, shorten } from "./stretch.js";

/** Samples, 5 ms: long enough not to click, short enough to keep the onset of a word. */
const FADE = 240;

export class Speaker {
  /** Media time of the sample that is played next, u32; undefined while none has a time. */
  timestamp: number | undefined;
  private readonly buffer = new JitterBuffer();
  private readonly concealer = new Concealer();
  private readonly pauses = new QuietDetector();
  /** Rendered and not yet asked for. */
  private rest: Float32Array = new Float32Array(0);
  private mute = true;

  /** Take a frame that arrived at `now`, in seconds. */
  put(frame: SoundFrame, now: number): void {
    this.buffer.put(frame, now);
  }

  /** Fill `block` with the next samples, as of `now`. */
  render(block: Float32Array, now: number): void {
    let filled = 0;
    while (filled < block.length) {
      if (this.rest.length === 0) this.rest = this.next(now, block.length - filled);
      const piece = this.rest.subarray(0, block.length - filled);
      block.set(piece, filled);
      filled += piece.length;
      this.rest = this.rest.subarray(piece.length);
      if (this.timestamp !== undefined) this.timestamp = (this.timestamp + piece.length) >>> 0;
    }
  }

  private next(now: number, wanted: number): Float32Array {
    const stretch = this.buffer.get(now);
    this.timestamp = stretch.timestamp;
    if (stretch.kind === "frame" && stretch.pcm !== undefined) {
      const pcm = this.changed(stretch.pcm, stretch).slice();
      this.concealer.played(pcm);
      if (this.mute) fadeIn(pcm);
      this.mute = false;
      return pcm;
    }
    if (stretch.kind === "silence" && this.mute) return new Float32Array(Math.min(stretch.duration, wanted));
    const pcm = this.concealer.conceal(stretch.duration);
    if (stretch.kind === "silence" || stretch.kind === "lost") {
      this.fallSilent(pcm);
    }
    return pcm;
  }

  private changed(pcm: Float32Array, { adjust, isAudible }: Stretch): Float32Array {
    if (this.pauses.detect(pcm)) return resize(pcm, adjust);
    if (!isAudible) return pcm;
    return adjust <= 0 ? shorten(pcm, -adjust) : lengthen(pcm, adjust);
  }

  /** End what was played with a fade over the first 5 ms of `pcm`, and silence after it. */
  private fallSilent(pcm: Float32Array): void {
    for (let i = 0; i < pcm.length; i++) pcm[i] = (pcm[i] ?? 0) * Math.max(0, 1 - i / FADE);
    this.concealer.silent();
    this.mute = true;
  }
}

function fadeIn(pcm: Float32Array): void {
  const length = Math.min(FADE, pcm.length);
  for (let i = 0; i < length; i++) pcm[i] = ((pcm[i] ?? 0) * i) / length;
}
