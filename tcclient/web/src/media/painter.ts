/** Draws the pictures of others on canvases, each when its sound is heard. For the page's thread. */

/** Pictures that wait for their time, for each source: decoders lend only a few. */
const MAX_WAITING = 6;

interface Waiting {
  readonly frame: VideoFrame;
  /** Unix ms. */
  readonly showAt: number;
}

interface Track {
  readonly waiting: Waiting[];
  /** The canvas that was painted last: a new one begins with its picture, since a screen may stand still. */
  last: HTMLCanvasElement | undefined;
  readonly canvases: Set<HTMLCanvasElement>;
}

/** Keeps the canvases of each source; `key` names a source. */
export class Painter {
  private readonly tracks = new Map<string, Track>();
  private scheduled: number | undefined;

  /** `drawn` is called for each picture that was given to `take()`, when it has been closed. */
  constructor(private readonly drawn: (key: string) => void) {}

  /** Draw a source on a canvas until the returned function is called. */
  show(key: string, canvas: HTMLCanvasElement): () => void {
    const track = this.tracks.get(key) ?? { waiting: [], last: undefined, canvases: new Set() };
    this.tracks.set(key, track);
    track.canvases.add(canvas);
    if (track.last !== undefined) paint(canvas, track.last, track.last.width, track.last.height);
    return () => {
      track.canvases.delete(canvas);
    };
  }

  /** Take a picture, which is closed here. */
  take(key: string, frame: VideoFrame, showAt: number): void {
    const track = this.tracks.get(key);
    // A page that is not seen draws nothing, and would keep the pictures that decoders need back.
    if (track === undefined || track.canvases.size === 0 || document.hidden) {
      this.close(key, frame);
      return;
    }
    track.waiting.push({ frame, showAt });
    while (track.waiting.length > MAX_WAITING) this.closeFirst(key, track);
    this.scheduled ??= requestAnimationFrame(() => this.draw());
  }

  /** Forget a source that has ended. */
  end(key: string): void {
    const track = this.tracks.get(key);
    if (track === undefined) return;
    while (track.waiting.length > 0) this.closeFirst(key, track);
    track.last = undefined;
    if (track.canvases.size === 0) this.tracks.delete(key);
  }

  private draw(): void {
    this.scheduled = undefined;
    const now = performance.timeOrigin + performance.now();
    let more = false;
    for (const [key, track] of this.tracks) {
      const due = track.waiting.filter((waiting) => waiting.showAt <= now).length;
      for (let i = 1; i < due; i++) this.closeFirst(key, track);
      const newest = track.waiting[0];
      if (due > 0 && newest !== undefined) {
        for (const canvas of track.canvases) {
          paint(canvas, newest.frame, newest.frame.displayWidth, newest.frame.displayHeight);
          track.last = canvas;
        }
        this.closeFirst(key, track);
      }
      more ||= track.waiting.length > 0;
    }
    if (more) this.scheduled = requestAnimationFrame(() => this.draw());
  }

  private closeFirst(key: string, track: Track): void {
    const first = track.waiting.shift();
    if (first !== undefined) this.close(key, first.frame);
  }

  private close(key: string, frame: VideoFrame): void {
    frame.close();
    this.drawn(key);
  }
}

function paint(canvas: HTMLCanvasElement, picture: CanvasImageSource, width: number, height: number): void {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.getContext("2d", { alpha: false, desynchronized: true })?.drawImage(picture, 0, 0, width, height);
}
