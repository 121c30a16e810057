/** Our own publications: from frames to sealed packets, each in a datagram of its own. */

import type { ClockMapping } from "../../protocol/beacon.js";
import { KEY_OVERLAP } from "../../protocol/datagram.js";
import type { PublicationId } from "../../protocol/keyring.js";
import { type Interest, type Kind, type PublicationInfo, Publish, type Source } from "../../protocol/messages.js";
import {
  AUDIO_CLOCK,
  AUDIO_HEADER_SIZE,
  AUDIO_PADDING_STEP,
  type AudioHeader,
  cutFrame,
  type DurationMs,
  FRAME_ID_BITS,
  MAX_PACKET,
  MAX_TEMPORAL,
  MAX_VIDEO_PAYLOAD,
  PacketType,
  sealPacket,
  VIDEO_CLOCK,
  type VideoHeader,
} from "../../protocol/packet.js";
import { type FirstSequence, MAX_FIRST_SEQUENCES } from "../../protocol/sender-key.js";
import { difference, wrapped } from "../../protocol/serial.js";
import { TAG_SIZE } from "../../protocol/sodium.js";
import type { Drops } from "../drops.js";
import type { SealingKey } from "../keys/own-key.js";
import { publicationId } from "../membership/roster.js";
import type { Egress } from "../path/egress.js";
import { KeyframeRequests } from "./keyframes.js";

/** µs by which the mapping of a stream's clock may move before a beacon tells so: half of what lip-sync allows. */
export const CLOCK_TOLERANCE = 20_000;
/** The field's end; a publication stops there, since no header may come twice under a key. */
export const MAX_SEQUENCE = 2 ** 32 - 1;
/** Packets of one frame: 280 kB, and what the padding count can make equal. */
export const MAX_FRAME_PACKETS = 256;
export const MAX_FRAME = MAX_FRAME_PACKETS * MAX_VIDEO_PAYLOAD;
/** Bytes of one audio frame: 1,103; more than 140 kbit/s at 60 ms. */
export const MAX_AUDIO_PAYLOAD =
  Math.floor((MAX_PACKET - AUDIO_HEADER_SIZE - TAG_SIZE) / AUDIO_PADDING_STEP) * AUDIO_PADDING_STEP - 1;
/** In the place of a temporal layer: nobody wants any. */
export const NOT_WANTED = -1;
/** Frames back to the one referred to: one byte. */
const MAX_REFERENCE = 255;

/** What is announced of a publication. */
export interface NewPublication {
  readonly kind: Kind;
  readonly source: Source;
  /** Such as `opus` or `vp8`. */
  readonly codec: string;
  readonly muted?: boolean;
  /** Spatial layers, 1 to 4. */
  readonly layers?: number;
  readonly width?: number;
  readonly height?: number;
}

export interface AudioFrame {
  readonly payload: Uint8Array;
  /** Samples at 48 kHz; taken modulo 2^32. */
  readonly timestamp: number;
  readonly durationMs?: DurationMs;
  /** -dBov, 0 to 127. */
  readonly level?: number;
  readonly voice?: boolean;
  readonly endOfTalk?: boolean;
  readonly comfort?: boolean;
  /** The moment of the first sample, for lip-sync; `now` by default. */
  readonly capturedAt?: number;
}

export interface VideoFrame {
  readonly data: Uint8Array;
  /** 90 kHz; taken modulo 2^32. */
  readonly timestamp: number;
  readonly keyframe: boolean;
  readonly discardable?: boolean;
  readonly spatial?: number;
  readonly temporal?: number;
  /** Distance to the frame that this one refers to; not used for a keyframe. 1 by default. */
  readonly reference?: number;
  readonly capturedAt?: number;
}

/** A frame's place on two clocks: media timestamp, and time in µs. */
interface ClockReading {
  readonly timestamp: number;
  readonly time: number;
}

/** One publication of ours. */
export class Publication {
  /** Undefined until the server has accepted it. */
  stream: number | undefined;
  muted: boolean;
  /** Whether another participant holds it muted. */
  held = false;
  /** Whether `takeReady` has told of it. */
  wasReady = false;
  readonly id: PublicationId;
  /** The next sequence number of each spatial layer; never goes back. */
  readonly sequences: number[];
  /** The next frame id of each spatial layer, u16. */
  readonly frames: number[];
  /** Spatial layers of which a frame was not sent: those after it may refer to it, up to a keyframe. */
  readonly interrupted = new Set<number>();
  /** Of the newest frame, once there was one. */
  clock: ClockReading | undefined;

  constructor(readonly info: Publish) {
    this.muted = info.muted;
    this.id = publicationId(info);
    this.sequences = new Array<number>(info.layers).fill(0);
    this.frames = new Array<number>(info.layers).fill(0);
  }
}

/** What a frame needs to be sent. */
interface Way {
  readonly publication: Publication;
  readonly stream: number;
  readonly key: SealingKey;
}

/** What `Publications` works with. */
interface Surroundings {
  /** Return the key of a publication, undefined while there is none. */
  readonly sealingKey: (publication: PublicationId) => SealingKey | undefined;
  readonly egress: Egress;
  /** Called when a publication sends its first frame (true), and when its clock moves. */
  readonly clockChanged: (now: number, isFirst: boolean) => void;
  /** Called with the header of each packet of sound that is sent. */
  readonly spoke: (header: AudioHeader, now: number) => void;
  readonly drops: Drops;
}

/** Makes packets. */
export class Publications {
  /** By number: announced, and not ended. */
  readonly live = new Map<number, Publication>();
  /** What others need. */
  readonly keyframes = new KeyframeRequests();
  readonly #around: Surroundings;
  #lastNumber = 0;
  /** By the stream of those that have ended: when. */
  readonly #over = new Map<number, number>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** Return the request that announces a publication under the next number. */
  announce(publication: NewPublication): Publish {
    return Publish.make({ number: this.#lastNumber + 1, ...publication });
  }

  /** Note that a publication was announced; its number is spent. */
  add(announced: Publish): void {
    this.#lastNumber = announced.number;
    this.live.set(announced.number, new Publication(announced));
  }

  /** Tell whether we announced what the roster says of us; one that ended may stand there a moment longer. */
  isOurs(info: PublicationInfo): boolean {
    const publication = this.live.get(info.number);
    if (publication === undefined) return info.number <= this.#lastNumber;
    const { kind, source } = publicationId(info);
    return publication.id.kind === kind && publication.id.source === source && publication.info.codec === info.codec;
  }

  /** A publication has ended. */
  forget(number: number, now: number): void {
    this.keyframes.forget(number);
    const stream = this.live.get(number)?.stream;
    this.live.delete(number);
    if (stream !== undefined) this.#over.set(stream, now);
  }

  /**
   * Note the stream of a publication.
   *
   * False for one that is in use, or ended less than `KEY_OVERLAP` ago. No honest server gives it out so soon.
   */
  accepted(number: number, stream: number, now: number): boolean {
    for (const [over, at] of this.#over) {
      if (now >= at + KEY_OVERLAP) this.#over.delete(over);
    }
    if (this.#over.has(stream) || this.byStream(stream) !== undefined) return false;
    const publication = this.live.get(number);
    if (publication !== undefined) publication.stream = stream;
    return true;
  }

  /** Return the live publication that has a stream. */
  byStream(stream: number): Publication | undefined {
    return [...this.live.values()].find((publication) => publication.stream === stream);
  }

  /** Note that others need a keyframe of one of our layers; a layer that there is not is ignored. */
  keyframeNeeded(stream: number, spatial: number, now: number): void {
    const info = this.byStream(stream)?.info;
    if (info !== undefined && spatial < info.layers) this.keyframes.ask({ id: info.number, spatial }, now);
  }

  /** Return which layers of our publications are wanted, as `LayersWanted` has it; others are ignored. */
  layersWanted({ layers }: Interest): { readonly number: number; readonly layers: readonly number[] }[] {
    const wanted = new Map<number, Map<number, number>>();
    for (const { stream, spatial, maxTemporal, wanted: isWanted } of layers) {
      const found = wanted.get(stream) ?? new Map<number, number>();
      wanted.set(stream, found.set(spatial, isWanted ? maxTemporal : NOT_WANTED));
    }
    return [...wanted].flatMap(([stream, found]) => {
      const info = this.byStream(stream)?.info;
      if (info?.kind !== "video") return [];
      const all = Array.from({ length: info.layers }, (_, spatial) => found.get(spatial) ?? NOT_WANTED);
      return [{ number: info.number, layers: all }];
    });
  }

  /** Return the lowest sequence numbers that a receiver of a key box has to accept; those that are 0 are left out. */
  firstSequences(): FirstSequence[] {
    const firsts = [...this.live.values()].flatMap(({ info, sequences }) =>
      sequences.map((sequence, spatial) => ({ publication: info.number, spatial, sequence })),
    );
    return firsts.filter(({ sequence }) => sequence > 0).slice(0, MAX_FIRST_SEQUENCES);
  }

  /** Return the clock mapping of each stream that has one. */
  clocks(): ClockMapping[] {
    return [...this.live.values()].flatMap(({ stream, clock }) =>
      stream === undefined || clock === undefined ? [] : [{ stream, ...clock }],
    );
  }

  /**
   * Send a frame of sound; false where it was not sent: not published yet, ended, muted, or no key.
   *
   * Throws `RangeError` for a value out of range.
   */
  sendAudio(number: number, frame: AudioFrame, now: number): boolean {
    if (frame.payload.length > MAX_AUDIO_PAYLOAD) {
      throw new RangeError(`an audio frame has at most ${MAX_AUDIO_PAYLOAD} bytes`);
    }
    const way = this.#ready(number, "audio", 0, 1);
    if (way === undefined) return false;
    const { publication, stream, key } = way;
    const header: AudioHeader = {
      type: PacketType.AUDIO,
      stream,
      keyNumber: key.number,
      generation: key.generation,
      sequence: publication.sequences[0] ?? 0,
      timestamp: wrapped(frame.timestamp),
      durationMs: frame.durationMs ?? 20,
      level: frame.level ?? 127,
      voice: frame.voice ?? false,
      endOfTalk: frame.endOfTalk ?? false,
      comfort: frame.comfort ?? false,
    };
    const packet = sealPacket(header, frame.payload, key.key, AUDIO_PADDING_STEP);
    publication.sequences[0] = header.sequence + 1;
    this.#around.spoke(header, now);
    this.#tick(publication, header.timestamp, frame.capturedAt ?? now, now);
    this.#around.egress.sendPacket(packet);
    return true;
  }

  /**
   * Cut a frame into packets of equal size and send them; return how many, 0 where it was not sent.
   *
   * After one that was not sent, only a keyframe is; it is asked for. Throws `RangeError` for a value out of range.
   */
  sendVideo(number: number, frame: VideoFrame, now: number): number {
    const { data, keyframe, spatial = 0, temporal = 0, reference = 1 } = frame;
    if (data.length === 0 || data.length > MAX_FRAME) throw new RangeError(`a frame has 1 to ${MAX_FRAME} bytes`);
    if (!(reference >= 1 && reference <= MAX_REFERENCE && temporal >= 0 && temporal <= MAX_TEMPORAL)) {
      throw new RangeError("the temporal layer or the reference is out of range");
    }
    const pieces = cutFrame(data);
    const way = this.#ready(number, "video", spatial, pieces.length);
    if (way === undefined) {
      this.live.get(number)?.interrupted.add(spatial);
      return 0;
    }
    const { publication, stream, key } = way;
    if (publication.interrupted.has(spatial) && !keyframe) {
      this.keyframes.ask({ id: number, spatial }, now);
      return 0;
    }
    publication.interrupted.delete(spatial);
    this.#sendPieces(pieces, key.key, {
      type: PacketType.VIDEO,
      stream,
      keyNumber: key.number,
      generation: key.generation,
      sequence: publication.sequences[spatial] ?? 0,
      timestamp: wrapped(frame.timestamp),
      frameId: publication.frames[spatial] ?? 0,
      packetIndex: 0,
      packetCount: pieces.length,
      keyframe,
      discardable: frame.discardable ?? false,
      spatial,
      temporal,
      reference: keyframe ? 0 : reference,
    });
    publication.sequences[spatial] = (publication.sequences[spatial] ?? 0) + pieces.length;
    publication.frames[spatial] = wrapped((publication.frames[spatial] ?? 0) + 1, FRAME_ID_BITS);
    this.#tick(publication, wrapped(frame.timestamp), frame.capturedAt ?? now, now);
    return pieces.length;
  }

  /** Return the numbers of the publications whose frames can be sent, each once. */
  takeReady(): number[] {
    const ready = [...this.live.values()].filter((one) => !one.wasReady && this.#way(one) !== undefined);
    for (const publication of ready) publication.wasReady = true;
    return ready.map(({ info }) => info.number);
  }

  #sendPieces(pieces: readonly Uint8Array[], key: Uint8Array | undefined, first: VideoHeader): void {
    const step = (pieces[0]?.length ?? 0) + 1; // the last piece is padded to the size of the others
    pieces.forEach((piece, i) => {
      const header = { ...first, sequence: first.sequence + i, packetIndex: i };
      this.#around.egress.sendPacket(sealPacket(header, piece, key, step));
    });
  }

  #tick(publication: Publication, timestamp: number, capturedAt: number, now: number): void {
    const before = publication.clock;
    const clock = { timestamp, time: Math.max(0, Math.floor(capturedAt * 1e6)) };
    publication.clock = clock;
    if (before === undefined || hasMoved(before, clock, publication.info.kind)) {
      this.#around.clockChanged(now, before === undefined);
    }
  }

  /** Return what a frame of `count` packets needs; undefined for one that may not be sent now. */
  #ready(number: number, kind: Kind, spatial: number, count: number): Way | undefined {
    const publication = this.live.get(number);
    if (publication === undefined || publication.muted) return undefined;
    const sequence = publication.sequences[spatial];
    if (publication.info.kind !== kind || sequence === undefined) {
      throw new RangeError("the publication has no such kind or layer");
    }
    const way = this.#way(publication);
    if (way !== undefined && sequence + count > MAX_SEQUENCE + 1) {
      this.#around.drops.add("counter_spent", count);
      return undefined;
    }
    return way;
  }

  /** Return stream and key; undefined where it is not accepted, or there is no key. */
  #way(publication: Publication): Way | undefined {
    const { stream } = publication;
    if (stream === undefined) return undefined;
    const key = this.#around.sealingKey(publication.id);
    return key === undefined ? undefined : { publication, stream, key };
  }
}

/** Tell whether the sender's clock and the media's went apart between two frames: receivers have to be told. */
function hasMoved(before: ClockReading, after: ClockReading, kind: Kind): boolean {
  const rate = kind === "audio" ? AUDIO_CLOCK : VIDEO_CLOCK;
  const media = (difference(after.timestamp, before.timestamp) * 1e6) / rate;
  return Math.abs(after.time - before.time - media) > CLOCK_TOLERANCE;
}
