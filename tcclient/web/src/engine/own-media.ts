/** Our own microphone, camera and screen on the page's thread: opened, captured for the worker, and shown. */

import type { Sound } from "../media/sound.js";
import type { Command, OwnMedia, PictureSize, PictureSource, Publishing } from "./commands.js";
import { capturePictures, Device } from "./devices.js";
import type { DeviceFault, Happening, Phase } from "./facts.js";
import type { OwnSource } from "./meeting.js";

const ALL: readonly OwnMedia[] = ["microphone", "camera", "screen"];

/** What the devices need of the client. */
export interface OwnMediaOwner {
  readonly phase: Phase;
  sound(): Sound;
  command(command: Command, transfer?: Transferable[]): void;
  show(media: OwnMedia, source: OwnSource): void;
  happen(happening: Happening): void;
}

interface Own {
  readonly device: Device;
  /** Whether the person wants to be heard or seen. */
  wanted: boolean;
  opening: boolean;
  fault: DeviceFault | undefined;
  publishing: Publishing;
}

export class OwnMediaDesk {
  private readonly own: Readonly<Record<OwnMedia, Own>>;

  /** `processing`: whether the browser cancels echo, removes noise and levels the microphone. */
  constructor(
    processing: boolean,
    private readonly owner: OwnMediaOwner,
  ) {
    const own = (kind: OwnMedia): Own => ({
      device: new Device(kind, processing, () => void this.ended(kind)),
      wanted: false,
      opening: false,
      fault: undefined,
      publishing: "off",
    });
    this.own = { microphone: own("microphone"), camera: own("camera"), screen: own("screen") };
  }

  async set(media: OwnMedia, on: boolean): Promise<void> {
    const own = this.own[media];
    own.wanted = on;
    own.fault = undefined;
    if (on && own.device.stream === undefined) await this.open(media);
    // A microphone stays open while it is muted, so that speech into it is noticed; the light of a camera goes out.
    else if (!on && (media !== "microphone" || !this.isInside())) this.close(media);
    this.publish(media);
  }

  async choose(media: OwnMedia, id: string): Promise<void> {
    const { device } = this.own[media];
    device.chosen = id;
    if (device.stream === undefined) return;
    await this.open(media);
    this.publish(media);
  }

  /** The worker tells how a publication does. */
  published(media: OwnMedia, state: Publishing): void {
    const own = this.own[media];
    own.publishing = state;
    if (state === "refused") {
      if (media !== "microphone") this.close(media);
      if (own.wanted) own.fault = "refused_by_room";
      own.wanted = false;
    }
    this.show(media);
  }

  /** The room may allow now what it refused before. */
  rightsChanged(): void {
    for (const media of ALL) {
      if (this.own[media].fault === "refused_by_room") this.own[media].fault = undefined;
      this.show(media);
    }
  }

  /**
   * A chair holds a source of ours, or not any more: it is off, and so is the light of a camera. Nothing but the person
   * switches it on again.
   */
  happened(happening: Happening): void {
    const isHold = happening.type === "held_muted" || happening.type === "hold_ended";
    if (isHold) void this.set(happening.source, false);
  }

  /** The phase of the meeting has changed. */
  phaseChanged(): void {
    const { name } = this.owner.phase;
    for (const media of ALL) {
      // Who joins without a device was told of it before, and means to do without.
      if (name === "joining" && this.own[media].fault === "missing") this.own[media].fault = undefined;
      if (name === "ended") {
        this.own[media].wanted = false;
        this.close(media);
        this.publish(media);
      } else this.show(media);
    }
  }

  private async open(media: OwnMedia): Promise<void> {
    const own = this.own[media];
    own.opening = true;
    own.fault = undefined;
    this.show(media);
    const opened = await own.device.open();
    if (opened === undefined) return;
    own.opening = false;
    if ("fault" in opened) {
      own.fault = opened.fault;
      own.wanted = false;
    } else {
      if (media !== "microphone") this.capturePictures(media, opened.stream);
      if (opened.stream.getAudioTracks().length > 0) await this.captureSound(media, opened.stream);
    }
    this.show(media);
  }

  private close(media: OwnMedia): void {
    const own = this.own[media];
    const wasOpen = own.device.stream !== undefined;
    own.device.close();
    own.opening = false;
    own.fault = undefined;
    if (media !== "camera" && wasOpen) this.owner.sound().stopCapture(media);
    this.show(media);
  }

  private async captureSound(media: OwnMedia, stream: MediaStream): Promise<void> {
    if (media === "camera") return;
    try {
      const port = await this.owner.sound().capture(media, stream);
      this.owner.command({ type: "sound", media: media === "screen" ? "screen_audio" : media, port }, [port]);
    } catch {
      // Firefox refuses a microphone whose rate is not that of the audio context.
      if (media === "screen") return;
      this.own.microphone.device.close();
      this.own.microphone.fault = "unsupported";
    }
  }

  private capturePictures(media: PictureSource, stream: MediaStream): void {
    capturePictures(stream, {
      stream: (frames) => this.owner.command({ type: "pictures", media, frames }, [frames]),
      frame: (frame) => this.owner.command({ type: "picture", media, frame }, [frame]),
    });
  }

  /** A device was unplugged: take the next one, with a word. A screen ends when the person says so to the browser. */
  private async ended(media: OwnMedia): Promise<void> {
    const own = this.own[media];
    this.close(media);
    if (media === "screen") {
      own.wanted = false;
      this.publish(media);
      return;
    }
    own.device.chosen = "";
    await this.open(media);
    const track = own.device.stream?.getTracks()[0];
    if (track !== undefined) this.owner.happen({ type: "device_changed", source: media, label: track.label });
    // The person may have forbidden it to the browser rather than unplugged it.
    else if (own.fault !== "denied") own.fault = "unplugged";
    this.publish(media);
  }

  private publish(media: OwnMedia): void {
    const own = this.own[media];
    const { stream } = own.device;
    this.owner.command({ type: "publish", media, on: own.wanted && stream !== undefined, ...sizeOf(stream) });
    if (media === "screen") {
      const heard = stream !== undefined && stream.getAudioTracks().length > 0;
      this.owner.command({ type: "publish", media: "screen_audio", on: own.wanted && heard });
    }
    this.show(media);
  }

  private show(media: OwnMedia): void {
    const own = this.own[media];
    this.owner.show(media, { state: this.state(own), fault: own.fault, stream: own.device.stream });
  }

  private state(own: Own): OwnSource["state"] {
    if (own.fault !== undefined) return "failed";
    if (own.opening) return "starting";
    if (own.device.stream === undefined) return "off";
    if (!own.wanted) return "muted";
    if (!this.isInside()) return "on";
    const { publishing } = own;
    return publishing === "refused" || publishing === "off" ? "starting" : publishing;
  }

  private isInside(): boolean {
    return this.owner.phase.name === "inside" || this.owner.phase.name === "returning";
  }
}

/** Return the size of the pictures of a stream, as far as the browser tells. */
function sizeOf(stream: MediaStream | undefined): { readonly size?: PictureSize } {
  const { width, height } = stream?.getVideoTracks()[0]?.getSettings() ?? {};
  return width === undefined || height === undefined ? {} : { size: { width, height } };
}
