/** What goes beyond the window: a picture above other programs, the whole screen, a screen that stays on. */

import type { Meeting } from "../engine/meeting.js";
import type { Tile } from "./layout.js";

/** Pictures a second of the floating picture: it is small. */
const FLOATING_RATE = 15;

/** Shows the most important picture above the windows of other programs. */
export class FloatingPicture {
  #meeting: Pick<Meeting, "show">;
  #video: HTMLVideoElement | undefined;
  #canvas = document.createElement("canvas");
  #shown: string | undefined;
  #stop: (() => void) | undefined;

  constructor(meeting: Pick<Meeting, "show">) {
    this.#meeting = meeting;
  }

  get isOpen(): boolean {
    return this.#video !== undefined;
  }

  /** Open it with a picture, or close it. A browser demands that a click or a key leads here. */
  async toggle(tile: Tile | undefined): Promise<void> {
    if (this.isOpen) {
      this.close();
      return;
    }
    if (tile === undefined) return;
    // A canvas gives a stream once it has been drawn on.
    this.#blacken();
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = this.#canvas.captureStream(FLOATING_RATE);
    video.addEventListener("leavepictureinpicture", () => this.close());
    this.#video = video;
    this.follow(tile);
    try {
      await video.play();
      await video.requestPictureInPicture();
    } catch (reason) {
      this.close();
      throw reason;
    }
  }

  /** The key of the tile whose picture is shown. */
  get shown(): string | undefined {
    return this.#shown;
  }

  /** Show another picture where one is shown; none: black, rather than what is no longer so. */
  follow(tile: Tile | undefined): void {
    if (this.#video === undefined || tile?.key === this.#shown) return;
    this.#stop?.();
    this.#shown = tile?.key;
    this.#stop = tile && this.#meeting.show(tile.participant.id, tile.source, this.#canvas);
    if (tile === undefined) this.#blacken();
  }

  close(): void {
    const video = this.#video;
    this.#video = undefined;
    this.#shown = undefined;
    this.#stop?.();
    this.#stop = undefined;
    if (video === undefined) return;
    if (document.pictureInPictureElement === video) void document.exitPictureInPicture();
    video.srcObject = null;
  }

  #blacken(): void {
    this.#canvas.getContext("2d", { alpha: false })?.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
  }
}

/** Keeps the screen on as long as it is wanted and the page is seen. */
export class ScreenLock {
  #wanted = false;
  #lock: WakeLockSentinel | undefined;

  constructor() {
    // The browser takes the lock back when the page is hidden.
    document.addEventListener("visibilitychange", () => void this.#update());
  }

  want(wanted: boolean): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    void this.#update();
  }

  async #update(): Promise<void> {
    if (!this.#wanted) {
      const lock = this.#lock;
      this.#lock = undefined;
      await lock?.release();
    } else if (document.visibilityState === "visible" && (this.#lock?.released ?? true)) {
      try {
        this.#lock = await (navigator as { readonly wakeLock?: WakeLock }).wakeLock?.request("screen");
      } catch {
        // A low battery forbids it: the screen goes off as usual.
      }
    }
  }
}

/** Fill the whole screen with the page, or go back. */
export async function toggleFullScreen(): Promise<void> {
  if (document.fullscreenElement === null) await document.documentElement.requestFullscreen();
  else await document.exitFullscreen();
}
