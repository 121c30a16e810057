/**
 * Packets: what is sealed end to end, once, for any number of receivers.
 *
 * A packet is a header and a body. The server can read the header; the network cannot. In an end-to-end encrypted room the
 * body is a secretbox under the key of the publication. Its nonce is the header, padded with zeros to 24 bytes, so a
 * changed bit of the header makes the box fail. In another room the body is not sealed. The plaintext of a body is one
 * byte that counts the padding, the payload, and so many zeros. PROTOCOL.md, section 7, has the bytes of the headers.
 */

import { concat, Reader, Writer } from "./bytes.js";
import { openSecretbox, secretbox, TAG_SIZE } from "./sodium.js";

/** The plaintext of audio is padded to a multiple of this: sizes of speech tell something about the words. */
export const AUDIO_PADDING_STEP = 16;
/** The most bytes of a packet, so that it fits a datagram with all that may stand around it. */
export const MAX_PACKET = 1140;
/** Bytes of the header that all types have, unknown ones too. */
export const COMMON_HEADER_SIZE = 13;
export const AUDIO_HEADER_SIZE = 14;
export const VIDEO_HEADER_SIZE = 21;
/** Of the number of a sender key, in the header of a packet. */
export const KEY_NUMBER_BITS = 8;
export const FRAME_ID_BITS = 16;
export const MAX_SPATIAL = 3;
export const MAX_TEMPORAL = 7;
/** The most bytes of a frame in one packet: 1,102. */
export const MAX_VIDEO_PAYLOAD = MAX_PACKET - VIDEO_HEADER_SIZE - TAG_SIZE - 1;
/** Ticks of an audio timestamp per second: samples of Opus (RFC 7587, section 4.1). */
export const AUDIO_CLOCK = 48_000;
/** Ticks of a video timestamp per second, as in RTP (RFC 3551, section 5). */
export const VIDEO_CLOCK = 90_000;
/** -dBov: sound that is as loud as this counts as speech, even without the voice flag. */
export const SPEECH_LEVEL = 35;
/** Seconds of media time between packets of comfort, as in Opus: nobody needs them more often. */
export const COMFORT_INTERVAL = 0.4;
/** Seconds between two keyframes of a layer that were asked for, at least. */
export const KEYFRAME_INTERVAL = 1.0;
/** Seconds between two requests for a keyframe, at least: the first needs a round trip to show. */
export const KEYFRAME_REQUEST_INTERVAL = 0.5;
/** Seconds between the requests of a receiver whom keyframes do not help: each waits longer, up to this. */
export const MAX_KEYFRAME_REQUEST_INTERVAL = 16.0;

/** Type of a packet, 4 bits. Packets of unknown types are dropped; `DATA` and `REPAIR` are reserved. */
export const PacketType = { AUDIO: 1, VIDEO: 2, BEACON: 3, DATA: 4, REPAIR: 5 } as const;

/** Duration of an audio packet by its code. */
export const DURATIONS_MS = [20, 40, 60, 10] as const;
export type DurationMs = (typeof DURATIONS_MS)[number];
const END_OF_TALK = 0x4;
const COMFORT = 0x8;
const KEYFRAME = 0x1;
const DISCARDABLE = 0x2;

/** What the headers of all types have. */
interface CommonHeader {
  readonly stream: number;
  /** Low 8 bits of the number of the sender key. */
  readonly keyNumber: number;
  readonly generation: number;
  readonly sequence: number;
  /** 48 kHz for audio, 90 kHz for video, µs for beacons; u32, wraps. */
  readonly timestamp: number;
}

export interface AudioHeader extends CommonHeader {
  readonly type: typeof PacketType.AUDIO;
  readonly durationMs: DurationMs;
  /** Audio level in -dBov: 0 loudest, 127 silence. */
  readonly level: number;
  readonly voice: boolean;
  /** Nothing follows for now, so a receiver must not conceal. */
  readonly endOfTalk: boolean;
  /** A packet of silence in discontinuous transmission. */
  readonly comfort: boolean;
}

export interface VideoHeader extends CommonHeader {
  readonly type: typeof PacketType.VIDEO;
  readonly frameId: number;
  readonly packetIndex: number;
  readonly packetCount: number;
  readonly keyframe: boolean;
  /** No other frame refers to this one. */
  readonly discardable: boolean;
  readonly spatial: number;
  readonly temporal: number;
  /** The id of this frame less that of the frame that it refers to; 0 for a keyframe. */
  readonly reference: number;
}

/** Header of a beacon, or the common part of any other type. */
export interface PlainHeader extends CommonHeader {
  readonly type: number;
}

export type Header = AudioHeader | VideoHeader | PlainHeader;

export function isAudio(header: Header): header is AudioHeader {
  return header.type === PacketType.AUDIO;
}

export function isVideo(header: Header): header is VideoHeader {
  return header.type === PacketType.VIDEO;
}

/** Return the spatial layer that a packet belongs to; 0 where its type has none. */
export function spatialOf(header: Header): number {
  return isVideo(header) ? header.spatial : 0;
}

/** Return the bytes of a header. Throws `RangeError` for a field out of range. */
export function packHeader(header: Header): Uint8Array {
  if (isAudio(header)) return packAudio(header);
  if (isVideo(header)) return packVideo(header);
  return common(COMMON_HEADER_SIZE, header.type << 4, header).bytes;
}

function packAudio(header: AudioHeader): Uint8Array {
  const code = DURATIONS_MS.indexOf(header.durationMs);
  if (code < 0) throw new RangeError(`an audio packet has no duration of ${header.durationMs} ms`);
  if (!(header.level >= 0 && header.level <= 127)) throw new RangeError(`audio level ${header.level} is not in 0..127`);
  const flags = (header.endOfTalk ? END_OF_TALK : 0) | (header.comfort ? COMFORT : 0);
  const first = (PacketType.AUDIO << 4) | code | flags;
  return common(AUDIO_HEADER_SIZE, first, header).u8(header.level | (header.voice ? 0x80 : 0)).bytes;
}

function packVideo(header: VideoHeader): Uint8Array {
  checkVideo(header);
  const flags = (header.keyframe ? KEYFRAME : 0) | (header.discardable ? DISCARDABLE : 0);
  return common(VIDEO_HEADER_SIZE, (PacketType.VIDEO << 4) | flags, header)
    .u8((header.spatial << 4) | header.temporal)
    .u16(header.frameId)
    .u16(header.packetIndex)
    .u16(header.packetCount)
    .u8(header.reference).bytes;
}

function common(size: number, first: number, header: CommonHeader): Writer {
  const { stream, keyNumber, generation, sequence, timestamp } = header;
  return new Writer(size).u8(first).u16(stream).u8(keyNumber).u8(generation).u32(sequence).u32(timestamp);
}

/**
 * Parse the header in front of a packet.
 *
 * Throws `RangeError` where the packet is too short for its type or a field is out of range.
 */
export function parseHeader(packet: Uint8Array): Header {
  const reader = new Reader(packet);
  const first = reader.u8();
  const stream = reader.u16();
  const keyNumber = reader.u8();
  const generation = reader.u8();
  const sequence = reader.u32();
  const timestamp = reader.u32();
  const type = first >> 4;
  if (type === PacketType.AUDIO) {
    const level = reader.u8();
    return {
      type,
      stream,
      keyNumber,
      generation,
      sequence,
      timestamp,
      durationMs: DURATIONS_MS[(first & 3) as 0 | 1 | 2 | 3],
      level: level & 127,
      voice: level >= 128,
      endOfTalk: (first & END_OF_TALK) !== 0,
      comfort: (first & COMFORT) !== 0,
    };
  }
  const fields = { type, stream, keyNumber, generation, sequence, timestamp };
  return type === PacketType.VIDEO ? parseVideo(fields, first, reader) : fields;
}

function parseVideo(fields: CommonHeader, first: number, reader: Reader): VideoHeader {
  const layer = reader.u8();
  const header: VideoHeader = {
    type: PacketType.VIDEO,
    stream: fields.stream,
    keyNumber: fields.keyNumber,
    generation: fields.generation,
    sequence: fields.sequence,
    timestamp: fields.timestamp,
    frameId: reader.u16(),
    packetIndex: reader.u16(),
    packetCount: reader.u16(),
    keyframe: (first & KEYFRAME) !== 0,
    discardable: (first & DISCARDABLE) !== 0,
    spatial: layer >> 4,
    temporal: layer & 15,
    reference: reader.u8(),
  };
  checkVideo(header);
  return header;
}

function checkVideo({ spatial, temporal, packetIndex, packetCount, keyframe, reference }: VideoHeader): void {
  if (!(spatial >= 0 && spatial <= MAX_SPATIAL && temporal >= 0 && temporal <= MAX_TEMPORAL)) {
    throw new RangeError(`layer ${spatial}.${temporal} is out of range`);
  }
  if (packetIndex >= packetCount) throw new RangeError("packet index beyond the frame's packets");
  if (keyframe !== (reference === 0)) {
    throw new RangeError("a keyframe refers to nothing, any other frame to one before it");
  }
}

/** Return the size of the header in front of a packet that `parseHeader` accepted. */
export function headerSize(packet: Uint8Array): number {
  const type = (packet[0] ?? 0) >> 4;
  if (type === PacketType.AUDIO) return AUDIO_HEADER_SIZE;
  return type === PacketType.VIDEO ? VIDEO_HEADER_SIZE : COMMON_HEADER_SIZE;
}

/**
 * Cut a frame into as few pieces of at most `most` bytes as it takes, all of one size but for the last.
 *
 * Throws `RangeError` where there is nothing to cut, `most` is not positive, or the frame has more than 65,535 pieces.
 */
export function cutFrame(frame: Uint8Array, most = MAX_VIDEO_PAYLOAD): Uint8Array[] {
  if (frame.length === 0 || most < 1) throw new RangeError("nothing to cut, or no room to put it");
  const count = Math.ceil(frame.length / most);
  if (count > 0xffff) throw new RangeError(`a frame of ${frame.length} bytes needs ${count} packets`);
  const size = Math.ceil(frame.length / count);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < frame.length; start += size) pieces.push(frame.subarray(start, start + size));
  return pieces;
}

/** Return the plaintext of a body: padding count, payload, zeros up to a multiple of `step`. */
export function padded(payload: Uint8Array, step = 1): Uint8Array {
  const size = Math.ceil((payload.length + 1) / step) * step;
  const plaintext = new Uint8Array(size);
  plaintext[0] = size - payload.length - 1;
  plaintext.set(payload, 1);
  return plaintext;
}

/** Return the payload of a plaintext. Throws `RangeError` where the count or the zeros are wrong. */
export function unpadded(plaintext: Uint8Array): Uint8Array {
  const padding = plaintext[0];
  if (padding === undefined || padding >= plaintext.length) throw new RangeError("padding count out of range");
  const end = plaintext.length - padding;
  if (plaintext.subarray(end).some((byte) => byte !== 0)) throw new RangeError("padding is not zero");
  return plaintext.subarray(1, end);
}

/**
 * Return the packet. `key` is the key of the publication, or undefined in a room without end-to-end encryption.
 *
 * The caller must never use the same header twice under a key.
 */
export function sealPacket(header: Header, payload: Uint8Array, key: Uint8Array | undefined, step = 1): Uint8Array {
  const clear = packHeader(header);
  const plaintext = padded(payload, step);
  return concat(clear, key === undefined ? plaintext : secretbox(plaintext, clear, key));
}

/**
 * Return the payload of a packet that `parseHeader` accepted.
 *
 * Throws `CryptoFailure` where the box does not open, `RangeError` for bad padding.
 */
export function openPacket(packet: Uint8Array, key: Uint8Array | undefined): Uint8Array {
  const size = headerSize(packet);
  const body = packet.subarray(size);
  if (key === undefined) return unpadded(body);
  return unpadded(openSecretbox(body, packet.subarray(0, size), key));
}

/** What one run of forward numbers counts: a stream, a spatial layer, a temporal layer and a variant. */
export interface Series {
  readonly stream: number;
  readonly spatial: number;
  readonly temporal: number;
  readonly redundant: boolean;
}

/** Return the series of a stream by its byte: redundant (1 bit), spatial (2), zero (2), temporal (3). */
export function parseSeries(stream: number, code: number): Series {
  if (code & 0x18) throw new RangeError("reserved bits of a series");
  return { stream, spatial: (code >> 5) & 3, temporal: code & 7, redundant: code >> 7 === 1 };
}
