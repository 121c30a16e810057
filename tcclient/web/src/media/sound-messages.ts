/** What goes between the worker and the processors of the sound thread, by message ports. */

import type { SoundFrame } from "./jitter.js";

/** Samples of a captured frame: 20 ms at 48 kHz, mono. */
export const CAPTURE_FRAME = 960;

/** From the capture to the worker. */
export interface CapturedSound {
  /** `CAPTURE_FRAME` samples, -1 to 1. */
  readonly pcm: Float32Array<ArrayBuffer>;
}

/** To the processors, by their node's port: the port to the other side. */
export interface PortMessage {
  readonly port: MessagePort;
}

/** From the worker to the play-out. `stream` is a value that the worker chooses, one for each publication in a life. */
export type PlayoutCommand =
  | { readonly type: "sound"; readonly stream: number; readonly frame: SoundFrame }
  | { readonly type: "volume"; readonly stream: number; readonly volume: number }
  | { readonly type: "end"; readonly stream: number };

/** From the play-out to the worker, some times in a second. */
export interface PlayoutReport {
  readonly streams: readonly {
    readonly stream: number;
    /** Media time of the sample that leaves the play-out now, u32; undefined in silence. */
    readonly timestamp: number | undefined;
  }[];
}
