/** Encodes one size of the pictures of a camera or screen, VP8 or H.264, through WebCodecs. In the worker. */

/** Pictures that may wait in the codec. More means that the machine does not keep up. */
const MAX_ENCODING = 2;
/** Seconds after which an encoder makes a keyframe by itself. */
const KEYFRAME_PERIOD = 10;
/** Seconds between two keyframes that were asked for (PROTOCOL.md section 7). */
const KEYFRAME_INTERVAL = 1;
/** Two temporal layers (W3C, Scalable Video Coding for WebRTC). */
const TWO_TEMPORAL = "L1T2";

export type PictureCodec = "vp8" | "h264";

/** By their names in WebCodecs; H.264 in its Constrained Baseline profile, level 3.1: 1280x720 with 30 pictures/s. */
const CODEC_NAMES: Readonly<Record<PictureCodec, string>> = { vp8: "vp8", h264: "avc1.42e01f" };

export interface PictureQuality {
  /** Lines of the largest picture that is sent, by its shorter side; smaller ones stay as they are. */
  readonly height: number;
  readonly framesPerSecond: number;
  /** Bits per second. */
  readonly bitrate: number;
}

export interface EncodedLayer {
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  readonly temporal: number;
  /** Ticks of 1/90000 s. */
  readonly timestamp: number;
  /** Monotonic seconds. */
  readonly capturedAt: number;
}

/** How pictures are encoded, besides their quality. */
export interface Encoding {
  readonly codec: PictureCodec;
  /** "text" for a screen, whose pictures shall be sharp before they are smooth. */
  readonly content: "motion" | "text";
  /** Whether the pictures are in two temporal layers, of which the upper one can be left out. */
  readonly isTemporal: boolean;
}

/** What the encoders of this browser can do. */
export interface EncoderAbilities {
  /** Of the pictures of a camera. */
  readonly codec: PictureCodec;
  /** Whether they can be in two temporal layers. */
  readonly isTemporal: boolean;
}

/** Find out what this browser can do: H.264 is for hardware alone, since VP8 costs less without. */
export async function encoderAbilities(): Promise<EncoderAbilities> {
  const size = { width: 1280, height: 720, bitrate: 1_000_000, framerate: 30 } as const;
  const hardware = { ...size, ...configOf("h264"), hardwareAcceleration: "prefer-hardware" } as const;
  const codec = (await isSupported(hardware)) ? "h264" : "vp8";
  const isTemporal = await isSupported({ ...size, ...configOf(codec), scalabilityMode: TWO_TEMPORAL });
  return { codec, isTemporal };
}

async function isSupported(config: VideoEncoderConfig): Promise<boolean> {
  try {
    return (await VideoEncoder.isConfigSupported(config)).supported === true;
  } catch {
    return false;
  }
}

/** Return what is the same for all pictures of a codec; packets carry H.264 with start codes (PROTOCOL.md section 7). */
function configOf(codec: PictureCodec): Pick<VideoEncoderConfig, "codec" | "avc" | "hardwareAcceleration"> {
  const name = { codec: CODEC_NAMES[codec] };
  return codec === "vp8" ? name : { ...name, avc: { format: "annexb" }, hardwareAcceleration: "prefer-hardware" };
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

/** Times are monotonic seconds. */
export class LayerEncoder {
  private encoder: VideoEncoder | undefined;
  private configured = "";
  private readonly pace = new Pace();
  private keyframeAt = -Infinity;
  private isKeyframeWanted = true;
  private times: number[] = [];

  /** `failed` is called when the browser cannot encode; the next picture tries again. */
  constructor(
    private readonly encoding: Encoding,
    private readonly output: (picture: EncodedLayer) => void,
    private readonly failed: (error: DOMException) => void,
  ) {}

  /** Let the next picture be a keyframe. */
  wantKeyframe(): void {
    this.isKeyframeWanted = true;
  }

  /** Encode a picture, unless it comes too early or the codec is busy. `timestamp` is in µs. */
  encode(frame: VideoFrame, timestamp: number, quality: PictureQuality, now: number): void {
    if ((this.encoder?.encodeQueueSize ?? 0) >= MAX_ENCODING) return;
    if (!this.pace.take(quality.framesPerSecond, now)) return;
    if (this.encoder?.state === "closed") this.close();
    const encoder = this.prepare(frame, quality);
    const asked = this.isKeyframeWanted && now >= this.keyframeAt + KEYFRAME_INTERVAL;
    const keyFrame = asked || now >= this.keyframeAt + KEYFRAME_PERIOD;
    if (keyFrame) {
      this.keyframeAt = now;
      this.isKeyframeWanted = false;
    }
    this.times.push(now);
    const timed = new VideoFrame(frame, { timestamp });
    encoder.encode(timed, { keyFrame });
    timed.close();
  }

  close(): void {
    if (this.encoder !== undefined && this.encoder.state !== "closed") this.encoder.close();
    this.encoder = undefined;
    this.configured = "";
    this.isKeyframeWanted = true;
    this.keyframeAt = -Infinity;
    this.times = [];
  }

  /** Return an encoder for pictures of this shape. A change of the size begins with a keyframe by itself. */
  private prepare(frame: VideoFrame, quality: PictureQuality): VideoEncoder {
    const { codec, content, isTemporal } = this.encoding;
    const { width, height } = fit(frame.displayWidth, frame.displayHeight, quality.height);
    const config: VideoEncoderConfig = {
      ...configOf(codec),
      width,
      height,
      bitrate: quality.bitrate,
      framerate: quality.framesPerSecond,
      latencyMode: "realtime",
      bitrateMode: "variable",
      contentHint: content,
      ...(isTemporal ? { scalabilityMode: TWO_TEMPORAL } : {}),
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
      output: (chunk, metadata) => {
        const capturedAt = this.times.shift();
        if (encoder !== this.encoder || capturedAt === undefined) return;
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const keyframe = chunk.type === "key";
        if (keyframe) this.keyframeAt = Math.max(this.keyframeAt, capturedAt);
        const temporal = metadata?.svc?.temporalLayerId ?? 0;
        this.output({ data, keyframe, temporal, timestamp: Math.round(chunk.timestamp * 0.09), capturedAt });
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
