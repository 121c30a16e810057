/** Sound for tests. */

import { SAMPLE_RATE, type SoundFrame } from "../../../tcclient/web/src/media/jitter.js";

/** Samples of a frame of 20 ms. */
export const FRAME = 960;

/** Return a tone of `samples`, from sample `from` on. */
export function tone(samples: number, from = 0, hertz = 200, amplitude = 0.3): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: samples },
    (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * (from + i)) / SAMPLE_RATE),
  );
}

/** Return frame `number` of a tone. */
export function soundFrame(number: number, more: Partial<SoundFrame> = {}): SoundFrame {
  return {
    sequence: number >>> 0,
    timestamp: (number * FRAME) >>> 0,
    pcm: tone(FRAME, number * FRAME),
    comfort: false,
    endOfTalk: false,
    heldMs: 0,
    ...more,
  };
}

/** The loudest difference of two neighbours: a click is one that the tone itself does not have. */
export function steepest(pcm: Float32Array): number {
  let most = 0;
  for (let i = 1; i < pcm.length; i++) most = Math.max(most, Math.abs((pcm[i] ?? 0) - (pcm[i - 1] ?? 0)));
  return most;
}
