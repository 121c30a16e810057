/** Shows the pictures of others, each when its sound is heard. For the page's thread. */

/** Pictures that wait for their time, for each source: decoders lend only a few. */
const MAX_WAITING = 6;
/** Milliseconds between two pictures of a source, at least: of two in one refresh of the screen only one is seen. */
const REFRESH = 1000 / 60;

/**
 * Makes a track of pictures that are written, which Chromium has and others do not (W3C, MediaStreamTrack Insertable
 * Media). The compositor takes them from a `<video>`, with half of the work of a canvas, which the page's thread paints.
 */
type TrackGeneratorClass = new (init: { readonly kind: "video" }) => MediaStreamTrack & {
  readonly writable: WritableStream<VideoFrame>;
};

const { MediaStreamTrackGenerator } = globalThis as { readonly MediaStreamTrackGenerator?: TrackGeneratorClass };

/** Where pictures are shown. */
export type Screen = HTMLVideoElement | HTMLCanvasElement;

interface Surface {
  show(picture: VideoFrame): void;
  close(): void;
}

interface Waiting {
  readonly frame: VideoFrame;
  /** Unix ms. */
  readonly showAt: number;
}

interface Track {
  readonly waiting: Waiting[];
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Unix ms of the last picture. */
  shownAt: number;
  /** The picture that is shown: a new surface begins with it, since a screen may stand still. */
  last: VideoFrame | undefined;
  readonly surfaces: Set<Surface>;
}

/** Keeps the surfaces of each source; `key` names a source. */
export class Painter {
  private readonly tracks = new Map<string, Track>();

  /** `drawn` is called for each picture that was given to `take()`, when it is shown or has been closed. */
  constructor(private readonly drawn: (key: string) => void) {}

  /** Show a source on a screen until the returned function is called. */
  show(key: string, screen: Screen): () => void {
    const track = this.tracks.get(key) ?? {
      waiting: [],
      timer: undefined,
      shownAt: 0,
      last: undefined,
      surfaces: new Set(),
    };
    this.tracks.set(key, track);
    const surface = screen instanceof HTMLVideoElement ? videoSurface(screen) : canvasSurface(screen);
    track.surfaces.add(surface);
    if (track.last !== undefined) surface.show(track.last);
    return () => {
      track.surfaces.delete(surface);
      surface.close();
    };
  }

  /** Take a picture, which is closed here. */
  take(key: string, frame: VideoFrame, showAt: number): void {
    const track = this.tracks.get(key);
    if (track === undefined || track.surfaces.size === 0) {
      frame.close();
      this.drawn(key);
      return;
    }
    track.waiting.push({ frame, showAt });
    while (track.waiting.length > MAX_WAITING) this.closeFirst(key, track);
    this.showDue(key, track);
  }

  /** Forget a source that has ended. */
  end(key: string): void {
    const track = this.tracks.get(key);
    if (track === undefined) return;
    clearTimeout(track.timer);
    track.timer = undefined;
    while (track.waiting.length > 0) this.closeFirst(key, track);
    track.last?.close();
    track.last = undefined;
    if (track.surfaces.size === 0) this.tracks.delete(key);
  }

  private showDue(key: string, track: Track): void {
    clearTimeout(track.timer);
    track.timer = undefined;
    const now = performance.timeOrigin + performance.now();
    const late = track.waiting.filter((waiting) => waiting.showAt <= now).length;
    // Two that came together are shown one after the other.
    for (let i = 2; i < late; i++) this.closeFirst(key, track);
    const due = late > 0 && track.shownAt + REFRESH <= now ? track.waiting.shift() : undefined;
    if (due !== undefined) {
      track.last?.close();
      track.last = due.frame;
      track.shownAt = now;
      for (const surface of track.surfaces) surface.show(due.frame);
      this.drawn(key);
    }
    const next = track.waiting[0];
    if (next === undefined) return;
    const wait = Math.max(next.showAt, track.shownAt + REFRESH) - now;
    track.timer = setTimeout(() => this.showDue(key, track), Math.max(1, wait));
  }

  private closeFirst(key: string, track: Track): void {
    track.waiting.shift()?.frame.close();
    this.drawn(key);
  }
}

function videoSurface(video: HTMLVideoElement): Surface {
  if (MediaStreamTrackGenerator === undefined) throw new Error("this browser shows no pictures in a <video>");
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  const writer = track.writable.getWriter();
  video.srcObject = new MediaStream([track]);
  return {
    show: (picture) => void writer.write(picture.clone()).catch(() => undefined), // the track has been stopped
    close: () => {
      track.stop();
      video.srcObject = null;
    },
  };
}

function canvasSurface(canvas: HTMLCanvasElement): Surface {
  const context = canvas.getContext("2d", { alpha: false, desynchronized: true });
  return {
    show: (picture) => {
      const { displayWidth: width, displayHeight: height } = picture;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      context?.drawImage(picture, 0, 0, width, height);
    },
    close: () => undefined,
  };
}
