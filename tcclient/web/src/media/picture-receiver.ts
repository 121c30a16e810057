/** From the packets of one stream to pictures, VP8 and H.264, through WebCodecs. In the worker. */

import { FrameAssembler, type Picture, type PictureHeader } from "./assembly.js";
import type { PictureCodec } from "./layer-encoder.js";
import { claimedPixels, MAX_PIXELS, sequenceParameters } from "./picture-size.js";
import { References } from "./references.js";

/** Pictures that may wait in the codec. More means that the machine does not keep up. */
const MAX_DECODING = 12;

/** What a receiver of pictures needs to know, and tells. */
export interface PictureOwner {
  /** Tell whether a spatial layer is shown, or may be from its next keyframe on. */
  isWelcome(spatial: number): boolean;
  /** A picture of this layer is shown. */
  shown(spatial: number): void;
  /** Take a picture with its media timestamp, and close it. */
  output(frame: VideoFrame, timestamp: number): void;
  /** Ask the sender for a keyframe of a layer. */
  ask(spatial: number): void;
}

/** The frames of one spatial layer, and which of them can be decoded. */
interface Layer {
  readonly assembler: FrameAssembler;
  readonly references: References;
}

/**
 * Shows the pictures of one spatial layer at a time, and changes to another one only at a keyframe of that.
 *
 * Only whole pictures whose references were decoded reach the decoder, and whatever breaks ends in a request for a
 * keyframe, never in a broken picture.
 */
export class PictureReceiver {
  /** By spatial layer: those that packets have come of. */
  private readonly layers = new Map<number, Layer>();
  private current: number | undefined;
  private decoder: VideoDecoder | undefined;
  private timestamps: number[] = [];

  constructor(
    private readonly codec: PictureCodec,
    private readonly owner: PictureOwner,
  ) {}

  /** Take a packet of a layer; `now` is in monotonic seconds. */
  receive(spatial: number, header: PictureHeader, payload: Uint8Array, now: number): void {
    if (!this.owner.isWelcome(spatial)) return;
    const layer = this.layers.get(spatial) ?? { assembler: new FrameAssembler(), references: new References() };
    this.layers.set(spatial, layer);
    for (const picture of layer.assembler.push(header, payload, now)) this.decode(spatial, layer, picture);
    this.askIfDue(spatial, layer, now);
  }

  /** Give up what waits too long; call some times in a second. */
  tend(now: number): void {
    for (const [spatial, layer] of [...this.layers]) {
      if (!this.owner.isWelcome(spatial)) {
        this.layers.delete(spatial);
        continue;
      }
      for (const picture of layer.assembler.expire(now)) this.decode(spatial, layer, picture);
      this.askIfDue(spatial, layer, now);
    }
  }

  close(): void {
    this.timestamps = [];
    if (this.decoder !== undefined && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
  }

  private askIfDue(spatial: number, { references }: Layer, now: number): void {
    if (this.owner.isWelcome(spatial) && references.keyframeDue(now)) this.owner.ask(spatial);
  }

  private decode(spatial: number, { references }: Layer, { header, data }: Picture): void {
    // Another layer may have taken its place since its packets came.
    if (!this.owner.isWelcome(spatial)) return references.broken();
    if ((this.decoder?.decodeQueueSize ?? 0) >= MAX_DECODING) {
      // The machine does not keep up: begin again at a keyframe, rather than late.
      this.broken();
      return;
    }
    // A codec that failed is closed before it says so.
    if (this.decoder?.state === "closed") this.fail();
    if (!references.admit(header)) return;
    if (claimedPixels(this.codec, data) > MAX_PIXELS) {
      this.fail();
      return;
    }
    const decoder = header.keyframe ? this.prepared(spatial, data) : this.decoder;
    if (decoder === undefined || this.current !== spatial) {
      references.broken();
      return;
    }
    this.timestamps.push(header.timestamp);
    const type = header.keyframe ? "key" : "delta";
    decoder.decode(new EncodedVideoChunk({ type, timestamp: Math.round(header.timestamp / 0.09), data }));
    this.owner.shown(spatial);
  }

  /** Begin anew, at the next keyframe. */
  private fail(): void {
    this.close();
    this.broken();
  }

  private broken(): void {
    for (const { references } of this.layers.values()) references.broken();
  }

  /** Return a decoder for what begins with this keyframe. The pictures before it still come. */
  private prepared(spatial: number, keyframe: Uint8Array): VideoDecoder {
    const isNew = this.decoder === undefined;
    const decoder = (this.decoder ??= this.open());
    const isVp8 = this.codec === "vp8";
    // VP8 says its size in each keyframe; of H.264 another layer may have another level.
    if (isNew || (!isVp8 && this.current !== spatial)) {
      decoder.configure({ codec: isVp8 ? "vp8" : h264Codec(keyframe), optimizeForLatency: true });
    }
    this.current = spatial;
    return decoder;
  }

  private open(): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (frame) => {
        const timestamp = this.timestamps.shift();
        if (decoder !== this.decoder || timestamp === undefined) {
          frame.close();
          return;
        }
        // The pixels of H.264 may be shown wider than they are.
        if (frame.displayWidth * frame.displayHeight > MAX_PIXELS) {
          frame.close();
          this.fail();
          return;
        }
        this.owner.output(frame, timestamp);
      },
      error: () => {
        if (decoder === this.decoder) this.fail();
      },
    });
    return decoder;
  }
}

/** Baseline, level 3.1: for a keyframe without parameter sets, which its decoder will refuse. */
const UNKNOWN_H264 = "avc1.42e01f";

/** Return the name of the profile and level that a keyframe in Annex B says in its sequence parameters (RFC 6381). */
export function h264Codec(keyframe: Uint8Array): string {
  const level = sequenceParameters(keyframe)[0]?.subarray(0, 3);
  if (level?.length !== 3) return UNKNOWN_H264;
  return `avc1.${[...level].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
