/** How large a coded picture says that it is, before a decoder makes room for it. Pure. */

import type { PictureCodec } from "./layer-encoder.js";

/** Largest picture that is decoded or shown, in pixels: one that claims 16,383 by 16,383 would take 400 MB. */
export const MAX_PIXELS = 3840 * 2160;

const VP8_START = [0x9d, 0x01, 0x2a];
const VP8_HEAD = 10;
const VP8_SIDE = 0x3fff;
const SEQUENCE_PARAMETERS = 7;
/** Profiles whose parameters say how colours are coded (H.264, section 7.3.2.1.1). */
const PROFILES_WITH_COLOURS = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
const ALL_COLOURS = 3;
/** Sets of sequence parameters of a stream (section 7.4.2.1.1); a picture with more of them is damaged. */
const MAX_SETS = 32;
/** Bytes of a set in which its size stands, whatever stands in front of it. */
const MAX_SET_BYTES = 8192;
/** Numbers of the prefix code have at most so many leading zeros (section 9.1). */
const MAX_ZEROS = 32;

/**
 * Return the most pixels that a coded picture claims; 0 where it claims no size, infinity where the claim is damaged.
 *
 * VP8 says it in each keyframe (RFC 6386, section 9.1), H.264 in each set of sequence parameters, at any picture.
 */
export function claimedPixels(codec: PictureCodec, data: Uint8Array): number {
  if (codec === "vp8") return vp8Pixels(data);
  const sets = sequenceParameters(data);
  return sets.length > MAX_SETS ? Infinity : Math.max(0, ...sets.map(h264Pixels));
}

/** Return the sequence parameters in an access unit in Annex B, each without its header; of too many not all. */
export function sequenceParameters(data: Uint8Array): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  let begin: number | undefined;
  for (let i = 0; i + 2 < data.length && found.length <= MAX_SETS; i++) {
    if (data[i] !== 0 || data[i + 1] !== 0 || data[i + 2] !== 1) continue;
    if (begin !== undefined) found.push(data.subarray(begin, i));
    begin = ((data[i + 3] ?? 0) & 31) === SEQUENCE_PARAMETERS ? i + 4 : undefined;
    i += 2;
  }
  if (begin !== undefined) found.push(data.subarray(begin));
  return found;
}

function vp8Pixels(data: Uint8Array): number {
  if (((data[0] ?? 1) & 1) !== 0) return 0;
  if (data.length < VP8_HEAD || VP8_START.some((byte, i) => data[3 + i] !== byte)) return Infinity;
  const side = (at: number): number => (((data[at + 1] ?? 0) << 8) | (data[at] ?? 0)) & VP8_SIDE;
  return side(6) * side(8);
}

function h264Pixels(parameters: Uint8Array): number {
  const bits = new Bits(parameters);
  const profile = bits.fixed(8);
  bits.fixed(16); // constraints, level
  bits.unsigned(); // id
  if (PROFILES_WITH_COLOURS.includes(profile)) skipColours(bits);
  bits.unsigned(); // bits of frame numbers
  skipOrder(bits);
  bits.unsigned(); // reference frames
  bits.fixed(1); // gaps
  const [width, height] = [bits.unsigned() + 1, bits.unsigned() + 1];
  const fields = bits.fixed(1) === 1 ? 1 : 2;
  return bits.isDamaged ? Infinity : 256 * width * height * fields;
}

function skipColours(bits: Bits): void {
  const colours = bits.unsigned();
  if (colours === ALL_COLOURS) bits.fixed(1); // separate planes
  bits.unsigned(); // depth of luma
  bits.unsigned(); // and of chroma
  bits.fixed(1); // bypass
  if (bits.fixed(1) === 0) return;
  for (let list = 0; list < (colours === ALL_COLOURS ? 12 : 8); list++) {
    if (bits.fixed(1) === 1) skipScaling(bits, list < 6 ? 16 : 64);
  }
}

function skipScaling(bits: Bits, size: number): void {
  let [last, next] = [8, 8];
  for (let i = 0; i < size && next !== 0; i++) {
    next = (last + bits.signed() + 256) & 255;
    last = next === 0 ? last : next;
  }
}

function skipOrder(bits: Bits): void {
  const type = bits.unsigned();
  if (type === 0) bits.unsigned();
  if (type !== 1) return;
  bits.fixed(1);
  bits.signed();
  bits.signed();
  for (let left = bits.unsigned(); left > 0 && !bits.isDamaged; left--) bits.signed();
}

/** Reads bits of a NAL unit, in which a 3 stands behind two zeros that could be taken for a start code. */
class Bits {
  /** Whether more was read than there is, or a number that is too long. */
  isDamaged = false;
  private at = 0;
  private readonly bytes: readonly number[];

  constructor(unit: Uint8Array) {
    const front = [...unit.subarray(0, MAX_SET_BYTES)];
    this.bytes = front.filter((byte, i) => byte !== 3 || i < 2 || unit[i - 1] !== 0 || unit[i - 2] !== 0);
  }

  fixed(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const byte = this.bytes[this.at >> 3];
      if (byte === undefined) this.isDamaged = true;
      value = 2 * value + (((byte ?? 0) >> (7 - (this.at & 7))) & 1);
      this.at += 1;
    }
    return value;
  }

  /** Read a number of the prefix code (H.264, section 9.1). */
  unsigned(): number {
    let zeros = 0;
    while (!this.isDamaged && this.fixed(1) === 0) zeros += 1;
    if (zeros > MAX_ZEROS) this.isDamaged = true;
    return this.isDamaged ? 0 : 2 ** zeros - 1 + this.fixed(zeros);
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 0 ? -value / 2 : (value + 1) / 2;
  }
}
