/** Encodes the pictures of one camera or screen, in as many sizes (spatial layers) as are wanted. In the worker. */

import { type EncodedLayer, type Encoding, LayerEncoder, type PictureQuality } from "./layer-encoder.js";

/** Seconds after which the picture of a screen that does not move is sent again. */
const REFRESH_INTERVAL = 1;

export interface EncodedPicture extends EncodedLayer {
  readonly spatial: number;
  /** Frames of this layer back to the one that it refers to; 1 for a keyframe, which refers to none. */
  readonly reference: number;
}

/** The qualities of the spatial layers, the smallest first; undefined where one is not encoded. */
export type LayerQualities = readonly (PictureQuality | undefined)[];

interface Layer {
  readonly encoder: LayerEncoder;
  /** Frames from the newest of the lowest temporal layer on: so far back refers the next one. */
  sinceBase: number;
}

/** Times are monotonic seconds. A layer that is not encoded for a while begins with a keyframe. */
export class PictureSender {
  private readonly layers: readonly Layer[];
  private startedAt: number | undefined;
  private encodedAt = -Infinity;
  /** Of a screen, which may give no pictures for minutes: the last one, for those who come. */
  private last: VideoFrame | undefined;

  /**
   * The smallest of several layers is in two temporal layers, where the encoder can do that.
   *
   * `output` tells whether it took a picture. `failed` is called when the browser cannot encode; the next picture tries
   * again.
   */
  constructor(
    count: number,
    private readonly encoding: Encoding,
    private readonly output: (picture: EncodedPicture) => boolean,
    failed: (error: DOMException) => void,
  ) {
    this.layers = Array.from({ length: count }, (_, spatial) => {
      const isTemporal = encoding.isTemporal && spatial === 0 && count > 1;
      const encoded = (picture: EncodedLayer): void => this.encoded(spatial, picture);
      return { encoder: new LayerEncoder({ ...encoding, isTemporal }, encoded, failed), sinceBase: 1 };
    });
  }

  /** Let the next picture of a layer be a keyframe. */
  wantKeyframe(spatial: number): void {
    this.layers[spatial]?.encoder.wantKeyframe();
  }

  /** Let the next picture be a keyframe in all layers. */
  wantKeyframes(): void {
    for (const { encoder } of this.layers) encoder.wantKeyframe();
  }

  /** Nobody wants a layer. It begins with a keyframe when it is encoded again. */
  stop(spatial: number): void {
    this.layers[spatial]?.encoder.close();
  }

  /** Encode a picture in those layers for which it does not come too early; it is closed here. */
  encode(frame: VideoFrame, qualities: LayerQualities, now: number): void {
    if (this.encoding.content === "text") {
      this.last?.close();
      this.last = frame.clone();
    }
    this.encodeOnce(frame, qualities, now);
  }

  /** Send the last picture of a screen again where a keyframe is wanted, and to make it sharper. */
  tend(qualities: LayerQualities, now: number): void {
    if (this.last !== undefined && now >= this.encodedAt + REFRESH_INTERVAL) {
      this.encodeOnce(this.last.clone(), qualities, now);
    }
  }

  close(): void {
    for (const { encoder } of this.layers) encoder.close();
    this.last?.close();
    this.last = undefined;
  }

  private encodeOnce(frame: VideoFrame, qualities: LayerQualities, now: number): void {
    this.startedAt ??= now;
    // Of what nobody wants nothing is refreshed: who comes gets a picture at once.
    if (qualities.some((quality) => quality !== undefined)) this.encodedAt = now;
    const timestamp = Math.round((now - this.startedAt) * 1e6);
    try {
      this.layers.forEach(({ encoder }, spatial) => {
        const quality = qualities[spatial];
        if (quality === undefined) encoder.close();
        else encoder.encode(frame, timestamp, quality, now);
      });
    } finally {
      frame.close();
    }
  }

  private encoded(spatial: number, picture: EncodedLayer): void {
    const layer = this.layers[spatial];
    if (layer === undefined) return;
    const reference = picture.keyframe ? 1 : layer.sinceBase;
    if (!this.output({ ...picture, spatial, reference })) return;
    layer.sinceBase = picture.temporal === 0 ? 1 : layer.sinceBase + 1;
  }
}
