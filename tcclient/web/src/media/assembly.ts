/** Packets put together to pictures. */

import { difference, unwrap, wrapped } from "../protocol/serial.js";

/** Most incomplete or waiting frames of a stream: `PATIENCE` at 60 frames/s. */
export const MAX_FRAMES = 32;
/** Most bytes that the packets of a stream may occupy while frames wait: a few keyframes of 4K. */
export const MAX_BYTES = 4 << 20;
/** Bytes charged for each packet besides its payload, so that a flood of tiny packets meets `MAX_BYTES` too. */
export const PACKET_OVERHEAD = 128;
/** Seconds from the newest packet of a frame until it is given up. */
export const PATIENCE = 0.5;

const FRAME_ID_BITS = 16;

/** What a packet says of its frame. */
export interface PictureHeader {
  readonly sequence: number;
  /** u32, in ticks of 1/90000 s. */
  readonly timestamp: number;
  readonly keyframe: boolean;
  readonly temporal: number;
  readonly frameId: number;
  readonly packetIndex: number;
  readonly packetCount: number;
  readonly reference: number;
}

export interface Picture {
  readonly header: PictureHeader;
  readonly data: Uint8Array;
}

/** What became of packets and frames. */
export interface AssemblyStatistics {
  packets: number;
  duplicates: number;
  /** Packets of a frame that was emitted, given up or overtaken before. */
  late: number;
  malformed: number;
  frames: number;
  /** Frames given up because a packet did not come in time, or a later frame did not need them. */
  incomplete: number;
  /** Frames dropped because their packets contradict each other. */
  inconsistent: number;
  overflow: number;
  /** Times that the frame ids of the sender went back while its sequence numbers went on. */
  restarts: number;
}

/**
 * Puts the packets of one stream and layer, in any order, together to frames, which it emits in order.
 *
 * A complete frame waits for the frame that it refers to and for nothing else, so layers that were not forwarded delay
 * nothing. Each frame waits at most `PATIENCE` seconds from its newest packet; frames that then refer to nothing are for
 * `References` to refuse. `now` is in seconds of a monotonic clock.
 */
export class FrameAssembler {
  readonly statistics: AssemblyStatistics = {
    packets: 0,
    duplicates: 0,
    late: 0,
    malformed: 0,
    frames: 0,
    incomplete: 0,
    inconsistent: 0,
    overflow: 0,
    restarts: 0,
  };
  /** By frame id without its wrap. */
  private readonly pending = new Map<number, PartialFrame>();
  private bytes = 0;
  /** Id up to which all is emitted or given up. */
  private passed: number | undefined;
  private sequence: number | undefined;
  /** Id of the frame that the newest packet belongs to. */
  private newest: number | undefined;

  /** Bytes charged for the packets that wait; at most `MAX_BYTES`. */
  get occupied(): number {
    return this.bytes;
  }

  /** Take a packet; return the frames, in order, that it completes or sets free. */
  push(header: PictureHeader, payload: Uint8Array, now: number): Picture[] {
    return [...this.expire(now), ...this.take(header, payload, now)];
  }

  /** Give up frames that have waited too long; return the complete frames behind them, in order. */
  expire(now: number): Picture[] {
    let overdue = -Infinity;
    for (const [id, frame] of this.pending) if (frame.deadline <= now) overdue = Math.max(overdue, id);
    return overdue === -Infinity ? [] : [...this.advance(overdue, false), ...this.free()];
  }

  /** Return when `expire()` is due next; infinity if never. */
  deadline(): number {
    return Math.min(...[...this.pending.values()].map((frame) => frame.deadline), Infinity);
  }

  private take(header: PictureHeader, payload: Uint8Array, now: number): Picture[] {
    const counts = this.statistics;
    counts.packets += 1;
    if (!wellFormed(header, payload)) {
      counts.malformed += 1;
      return [];
    }
    const id = this.place(header);
    if (id === undefined) return [];
    const emitted: Picture[] = [];
    let frame = this.pending.get(id);
    if (frame === undefined) {
      if (this.pending.size >= MAX_FRAMES) {
        if (id < this.oldest()) {
          counts.late += 1;
          return [];
        }
        emitted.push(...this.advance(this.oldest(), true), ...this.free());
      }
      frame = new PartialFrame(header);
      this.pending.set(id, frame);
    } else if (frame.dead) {
      return [];
    } else if (!frame.agrees(header)) {
      counts.inconsistent += 1;
      this.bytes -= frame.kill();
      return [];
    } else if (frame.payloads.has(header.packetIndex)) {
      counts.duplicates += 1;
      return [];
    }
    frame.add(header.packetIndex, payload, now + PATIENCE);
    this.bytes += payload.length + PACKET_OVERHEAD;
    while (this.bytes > MAX_BYTES) emitted.push(...this.advance(this.oldest(), true), ...this.free());
    if (frame.complete) emitted.push(...this.free());
    return emitted;
  }

  /** Return the frame id without its wrap, or undefined for a packet of no use. Ids follow sequence numbers. */
  private place(header: PictureHeader): number | undefined {
    const near = this.newest ?? header.frameId;
    const id = unwrap(header.frameId, near, FRAME_ID_BITS);
    if (this.sequence === undefined || difference(header.sequence, this.sequence) > 0) {
      this.sequence = header.sequence;
      if (id < near) this.restart();
      this.newest = id;
    } else if (id > near) {
      this.statistics.malformed += 1;
      return undefined;
    }
    if (this.passed !== undefined && id <= this.passed) {
      this.statistics.late += 1;
      return undefined;
    }
    return id;
  }

  private restart(): void {
    this.statistics.restarts += 1;
    this.statistics.incomplete += this.pending.size;
    this.pending.clear();
    this.bytes = 0;
    this.passed = undefined;
  }

  /** Emit what need not wait any more. */
  private free(): Picture[] {
    const emitted: Picture[] = [];
    for (const id of this.ids()) {
      const frame = this.pending.get(id);
      if (frame === undefined || !frame.complete) continue;
      // In the beginning, what is older than all that came is as good as passed.
      const passed = this.passed ?? this.oldest() - 1;
      if (frame.first.keyframe || id - frame.first.reference <= passed) emitted.push(...this.advance(id, false));
    }
    return emitted;
  }

  /** Pass all frames up to one: emit the complete ones in order, give up the others. */
  private advance(to: number, overflow: boolean): Picture[] {
    const emitted: Picture[] = [];
    for (const id of this.ids()) {
      const frame = this.pending.get(id);
      if (id > to || frame === undefined) break;
      this.pending.delete(id);
      this.bytes -= frame.charge;
      if (frame.complete) emitted.push(frame.assemble());
      else if (overflow) this.statistics.overflow += 1;
      else if (!frame.dead) this.statistics.incomplete += 1;
    }
    this.passed = Math.max(to, this.passed ?? to);
    this.statistics.frames += emitted.length;
    return emitted;
  }

  private ids(): number[] {
    return [...this.pending.keys()].sort((a, b) => a - b);
  }

  private oldest(): number {
    return Math.min(...this.pending.keys());
  }
}

/** A frame that is being put together. */
class PartialFrame {
  deadline = 0;
  charge = 0;
  /** Its number is remembered, so that later packets do not begin it anew. */
  dead = false;
  readonly payloads = new Map<number, Uint8Array>();

  constructor(readonly first: PictureHeader) {}

  get complete(): boolean {
    return this.payloads.size === this.first.packetCount;
  }

  agrees(header: PictureHeader): boolean {
    const first = this.first;
    return (
      header.packetCount === first.packetCount &&
      header.timestamp === first.timestamp &&
      header.keyframe === first.keyframe &&
      header.temporal === first.temporal &&
      header.reference === first.reference
    );
  }

  add(index: number, payload: Uint8Array, deadline: number): void {
    this.payloads.set(index, payload);
    this.deadline = deadline;
    this.charge += payload.length + PACKET_OVERHEAD;
  }

  /** Forget the packets; return the bytes that were charged for them. */
  kill(): number {
    const charge = this.charge;
    this.dead = true;
    this.payloads.clear();
    this.charge = 0;
    return charge;
  }

  /** Return the frame, under the header of its first packet. */
  assemble(): Picture {
    const length = [...this.payloads.values()].reduce((sum, payload) => sum + payload.length, 0);
    const data = new Uint8Array(length);
    let at = 0;
    for (let index = 0; index < this.first.packetCount; index++) {
      const payload = this.payloads.get(index);
      if (payload === undefined) throw new Error("an incomplete frame was assembled");
      data.set(payload, at);
      at += payload.length;
    }
    const sequence = wrapped(this.first.sequence - this.first.packetIndex);
    return { header: { ...this.first, sequence, packetIndex: 0 }, data };
  }
}

function wellFormed(header: PictureHeader, payload: Uint8Array): boolean {
  return (
    header.packetIndex < header.packetCount &&
    payload.length > 0 &&
    (header.keyframe || (header.reference > 0 && header.reference <= 0xff))
  );
}
