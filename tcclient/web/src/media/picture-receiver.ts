/** VP8 and H.264 through WebCodecs, in the worker. */

import { FrameAssembler, type Picture, type PictureHeader } from "./assembly.js";
import { References } from "./references.js";

/** Pictures that may wait in a codec. More means that the machine does not keep up. */
const MAX_ENCODING = 2;
const MAX_DECODING = 12;
/** Seconds after which an encoder makes a keyframe by itself. */
const KEYFRAME_PERIOD = 10;
/** Seconds between two keyframes that were asked for (PROTOCOL.md section 7). */
const KEYFRAME_INTERVAL = 1;
/** Seconds after which the picture of a screen that does not move is sent again. */
const REFRESH_INTERVAL = 1;

export interface PictureQuality {
  /** Lines of the largest picture that is sent; smaller ones stay as they are. */
  readonly height: number;
  readonly framesPerSecond: number;
  /** Bits per second. */
  readonly bitrate: number;
}

export interface EncodedPicture {
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  /** Ticks of 1/90000 s since the first picture. */
  readonly timestamp: number;
  /** Monotonic seconds. */
  readonly capturedAt: number;
}

/** Chooses of the pictures of a camera as many as are wanted, whatever its own rate is. Times are in seconds. */
export class Pace {
  private dueAt = -Infinity;

  /** Tell whether a picture that comes now is one of `perSecond`, and count it then. */
  take(perSecond: number, now: number): boolean {
    if (now < this.dueAt) return false;
    // By the time when it was due, not by now: else every second picture would be left out at 30 per second for 25.
    this.dueAt = Math.max(this.dueAt + 1 / perSecond, now);
    return true;
  }
}

/** Encodes the pictures of one camera or screen; times are monotonic seconds. */
export class PictureSender {
  private encoder: VideoEncoder | undefined;
  private configured = "";
  private startedAt: number | undefined;
  private encodedAt = -Infinity;
  private pace = new Pace();
  private keyframeAt = -Infinity;
  private keyframeWanted = true;
  private times: number[] = [];
  /** Of a screen, which may give no pictures for minutes: the last one, for those who come. */
  private last: VideoFrame | undefined;

  /**
   * `content` is "text" for a screen, whose pictures shall be sharp before they are smooth. `failed` is called when the
   * browser cannot encode; the next picture tries again.
   */
  constructor(
    private readonly content: "motion" | "text",
    private readonly output: (picture: EncodedPicture) => void,
    private readonly failed: (error: DOMException) => void,
  ) {}

  /** Let the next picture be a keyframe. */
  wantKeyframe(): void {
    this.keyframeWanted = true;
  }

  /** Encode a picture, unless it comes too early or the codec is busy; the picture is closed here. */
  encode(frame: VideoFrame, quality: PictureQuality, now: number): void {
    if (this.content === "text") {
      this.last?.close();
      this.last = frame.clone();
    }
    this.encodeOnce(frame, quality, now);
  }

  /** Send the last picture of a screen again where a keyframe is wanted, and to make it sharper. */
  tend(quality: PictureQuality, now: number): void {
    if (this.last !== undefined && now >= this.encodedAt + REFRESH_INTERVAL) {
      this.encodeOnce(this.last.clone(), quality, now);
    }
  }

  private encodeOnce(frame: VideoFrame, quality: PictureQuality, now: number): void {
    try {
      if ((this.encoder?.encodeQueueSize ?? 0) >= MAX_ENCODING) return;
      if (!this.pace.take(quality.framesPerSecond, now)) return;
      if (this.encoder?.state === "closed") this.close();
      this.startedAt ??= now;
      const encoder = this.prepare(frame, quality);
      const asked = this.keyframeWanted && now >= this.keyframeAt + KEYFRAME_INTERVAL;
      const keyFrame = asked || now >= this.keyframeAt + KEYFRAME_PERIOD;
      if (keyFrame) {
        this.keyframeAt = now;
        this.keyframeWanted = false;
      }
      this.encodedAt = now;
      this.times.push(now);
      const timed = new VideoFrame(frame, { timestamp: Math.round((now - this.startedAt) * 1e6) });
      encoder.encode(timed, { keyFrame });
      timed.close();
    } finally {
      frame.close();
    }
  }

  close(): void {
    if (this.encoder !== undefined && this.encoder.state !== "closed") this.encoder.close();
    this.encoder = undefined;
    this.last?.close();
    this.last = undefined;
    this.configured = "";
    this.keyframeWanted = true;
    this.keyframeAt = -Infinity;
    this.times = [];
  }

  /** Return an encoder for pictures of this shape. A change of the size begins with a keyframe by itself. */
  private prepare(frame: VideoFrame, quality: PictureQuality): VideoEncoder {
    const { width, height } = fit(frame.displayWidth, frame.displayHeight, quality.height);
    const config: VideoEncoderConfig = {
      codec: "vp8",
      width,
      height,
      bitrate: quality.bitrate,
      framerate: quality.framesPerSecond,
      latencyMode: "realtime",
      bitrateMode: "variable",
      contentHint: this.content,
    };
    const encoder = (this.encoder ??= this.open());
    const wanted = JSON.stringify(config);
    if (wanted !== this.configured) {
      encoder.configure(config);
      this.configured = wanted;
    }
    return encoder;
  }

  private open(): VideoEncoder {
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const capturedAt = this.times.shift();
        if (encoder !== this.encoder || capturedAt === undefined) return;
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const keyframe = chunk.type === "key";
        if (keyframe) this.keyframeAt = Math.max(this.keyframeAt, capturedAt);
        this.output({ data, keyframe, timestamp: Math.round(chunk.timestamp * 0.09), capturedAt });
      },
      error: (error) => {
        if (encoder !== this.encoder) return;
        this.close();
        this.failed(error);
      },
    });
    return encoder;
  }
}

/** Return the even size of the same shape that has at most `lines`, by its shorter side. */
export function fit(width: number, height: number, lines: number): { width: number; height: number } {
  const scale = Math.min(1, lines / Math.min(width, height));
  return { width: even(width * scale), height: even(height * scale) };
}

function even(length: number): number {
  return Math.max(2, 2 * Math.round(length / 2));
}

/**
 * From the packets of one stream to pictures. Only whole pictures whose references were decoded reach the decoder, and
 * whatever breaks ends in a request for a keyframe, never in a broken picture.
 */
export class PictureReceiver {
  private readonly assembler = new FrameAssembler();
  private readonly references = new References();
  private decoder: VideoDecoder | undefined;
  private timestamps: number[] = [];

  /** `output` gets each picture, which it closes, with its media timestamp; `ask` asks the sender for a keyframe. */
  constructor(
    private readonly codec: "vp8" | "h264",
    private readonly output: (frame: VideoFrame, timestamp: number) => void,
    private readonly ask: () => void,
  ) {}

  /** Take a packet; `now` is in monotonic seconds. */
  receive(header: PictureHeader, payload: Uint8Array, now: number): void {
    for (const picture of this.assembler.push(header, payload, now)) this.decode(picture);
    this.askIfDue(now);
  }

  /** Give up what waits too long; call some times in a second. */
  tend(now: number): void {
    for (const picture of this.assembler.expire(now)) this.decode(picture);
    this.askIfDue(now);
  }

  close(): void {
    this.timestamps = [];
    if (this.decoder !== undefined && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
  }

  private askIfDue(now: number): void {
    if (this.references.keyframeDue(now)) this.ask();
  }

  private decode({ header, data }: Picture): void {
    if ((this.decoder?.decodeQueueSize ?? 0) >= MAX_DECODING) {
      // The machine does not keep up: begin again at a keyframe, rather than late.
      this.references.broken();
      return;
    }
    // A codec that failed is closed before it says so.
    if (this.decoder?.state === "closed") this.fail();
    if (!this.references.admit(header)) return;
    const decoder = this.decoder ?? (header.keyframe ? this.open(data) : undefined);
    if (decoder === undefined) {
      this.references.broken();
      return;
    }
    this.timestamps.push(header.timestamp);
    const type = header.keyframe ? "key" : "delta";
    decoder.decode(new EncodedVideoChunk({ type, timestamp: Math.round(header.timestamp / 0.09), data }));
  }

  /** Begin anew, at the next keyframe. */
  private fail(): void {
    this.close();
    this.references.broken();
  }

  private open(keyframe: Uint8Array): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (frame) => {
        const timestamp = this.timestamps.shift();
        if (decoder !== this.decoder || timestamp === undefined) {
          frame.close();
          return;
        }
        this.output(frame, timestamp);
      },
      error: () => {
        if (decoder === this.decoder) this.fail();
      },
    });
    const codec = this.codec === "vp8" ? "vp8" : h264Codec(keyframe);
    decoder.configure({ codec, optimizeForLatency: true });
    this.decoder = decoder;
    return decoder;
  }
}

/** Baseline, level 3.1: for a keyframe without parameter sets, which its decoder will refuse. */
const UNKNOWN_H264 = "avc1.42e01f";
const SEQUENCE_PARAMETERS = 7;

/** Return the name of the profile and level that a keyframe in Annex B says in its sequence parameters (RFC 6381). */
export function h264Codec(keyframe: Uint8Array): string {
  for (let i = 0; i + 6 < keyframe.length; i++) {
    const startCode = keyframe[i] === 0 && keyframe[i + 1] === 0 && keyframe[i + 2] === 1;
    if (startCode && ((keyframe[i + 3] ?? 0) & 31) === SEQUENCE_PARAMETERS) {
      return `avc1.${[...keyframe.subarray(i + 4, i + 7)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    }
  }
  return UNKNOWN_H264;
}
