/** The microphone, the camera and the screen of this machine. For the page's thread. */

import type { DeviceFault } from "./facts.js";

/** Lines of the pictures that a camera is asked for: the largest that are sent. */
const CAMERA_HEIGHT = 720;
const CAMERA_RATE = 30;
/** Pictures in a second of a screen: text does not move, and is to be sharp. */
const SCREEN_RATE = 15;

export type DeviceKind = "microphone" | "camera" | "screen";

export type Opened = { readonly stream: MediaStream } | { readonly fault: DeviceFault };

/** One kind of device: which one is used, and whether it is open. */
export class Device {
  /** An empty id is the default of the browser. */
  chosen = "";
  private opened: MediaStream | undefined;
  private openings = 0;

  /**
   * `processing`: whether the browser cancels echo, removes noise and levels the sound. `ended` is called when an open
   * device ends by itself: it was unplugged, or the person ended it in the browser's own controls.
   */
  constructor(
    readonly kind: DeviceKind,
    private readonly processing: boolean,
    private readonly ended: () => void,
  ) {}

  get stream(): MediaStream | undefined {
    return this.opened;
  }

  /** Open the device, in place of what was open; undefined where a later call has come before. */
  async open(): Promise<Opened | undefined> {
    const opening = (this.openings += 1);
    let stream: MediaStream;
    try {
      stream = await this.request();
    } catch (error) {
      return opening === this.openings ? { fault: faultOf(error) } : undefined;
    }
    if (opening !== this.openings) {
      stop(stream);
      return undefined;
    }
    this.release();
    this.opened = stream;
    // A screen goes on without its sound.
    for (const track of this.kind === "microphone" ? stream.getAudioTracks() : stream.getVideoTracks()) {
      track.onended = () => {
        if (this.opened === stream) this.ended();
      };
    }
    return { stream };
  }

  close(): void {
    this.openings += 1;
    this.release();
  }

  private release(): void {
    if (this.opened !== undefined) stop(this.opened);
    this.opened = undefined;
  }

  private async request(): Promise<MediaStream> {
    const { mediaDevices } = navigator;
    const device = this.chosen === "" ? {} : { deviceId: { exact: this.chosen } };
    if (this.kind === "screen") {
      const stream = await mediaDevices.getDisplayMedia({
        video: { frameRate: SCREEN_RATE },
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        // With the sound of the whole machine the others would hear themselves.
        ...{ systemAudio: "exclude", selfBrowserSurface: "exclude" },
      });
      for (const track of stream.getVideoTracks()) track.contentHint = "detail";
      return stream;
    }
    if (this.kind === "camera") {
      const size = { height: { ideal: CAMERA_HEIGHT }, width: { ideal: (CAMERA_HEIGHT * 16) / 9 } };
      return await mediaDevices.getUserMedia({ video: { ...device, ...size, frameRate: { ideal: CAMERA_RATE } } });
    }
    const on = this.processing;
    const sound = { echoCancellation: on, noiseSuppression: on, autoGainControl: on, channelCount: 1 };
    return await mediaDevices.getUserMedia({ audio: { ...device, ...sound } });
  }
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

/** Why a device could not be opened, by the names of Media Capture and Streams, section 10.2. */
function faultOf(error: unknown): DeviceFault {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return "unsupported";
}

/** A source of the frames of a track, which Chromium has and others do not (W3C, MediaStreamTrack Insertable Media). */
interface TrackProcessor {
  readonly readable: ReadableStream<VideoFrame>;
}
type TrackProcessorClass = new (init: { readonly track: MediaStreamTrack }) => TrackProcessor;

/** Where the pictures of a track go: as a stream, or one by one. */
export interface PictureSink {
  stream(frames: ReadableStream<VideoFrame>): void;
  frame(frame: VideoFrame): void;
}

/** Give the pictures of a stream to `sink` until the track ends. */
export function capturePictures(stream: MediaStream, sink: PictureSink): void {
  const track = stream.getVideoTracks()[0];
  if (track === undefined) return;
  const Processor = (globalThis as { MediaStreamTrackProcessor?: TrackProcessorClass }).MediaStreamTrackProcessor;
  if (Processor !== undefined) {
    sink.stream(new Processor({ track }).readable);
    return;
  }
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  const step = (now: number): void => {
    if (track.readyState === "ended") {
      video.srcObject = null;
      return;
    }
    sink.frame(new VideoFrame(video, { timestamp: Math.round(now * 1000) }));
    video.requestVideoFrameCallback(step);
  };
  video.requestVideoFrameCallback(step);
  void video.play();
}
