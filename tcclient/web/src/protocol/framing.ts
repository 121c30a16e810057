/** Frames on a stream: a length of two bytes, big-endian, then a body of so many bytes. */

import { concat, NO_BYTES, Reader, Writer } from "./bytes.js";
import { ProtocolError } from "./errors.js";

/** The most bytes of a body: what two bytes can say, and the largest Noise message. */
export const MAX_FRAME = 65_535;
/** The most bytes of a body before the login. */
export const LIMIT_BEFORE_LOGIN = 4096;
const LENGTH_BYTES = 2;

/** Return the frame with this body of 1 to `MAX_FRAME` bytes. Throws `RangeError` for other sizes. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  if (body.length === 0 || body.length > MAX_FRAME) throw new RangeError(`frame of ${body.length} bytes`);
  return concat(new Writer(LENGTH_BYTES).u16(body.length).bytes, body);
}

/**
 * Cuts a stream into the bodies of its frames.
 *
 * After each `receiveData` call `nextFrame` until it returns undefined. Then less than one frame stays buffered. `limit` is
 * the most bytes of a body. It may be changed at any time, and holds from the next frame on.
 */
export class FrameDecoder {
  #buffer: Uint8Array = NO_BYTES;

  constructor(public limit: number) {}

  /** Buffer what came from the stream. */
  receiveData(data: Uint8Array): void {
    this.#buffer = this.#buffer.length === 0 ? data.slice() : concat(this.#buffer, data);
  }

  /**
   * Return the body of the next frame, or undefined until it is complete.
   *
   * Throws `ProtocolError` (`bad_frame`) as soon as a length is 0 or over the limit, and on each call after that.
   */
  nextFrame(): Uint8Array | undefined {
    if (this.#buffer.length < LENGTH_BYTES) return undefined;
    const size = new Reader(this.#buffer).u16();
    if (size === 0 || size > this.limit) throw new ProtocolError("bad_frame", `frame of ${size} bytes`);
    const end = LENGTH_BYTES + size;
    if (this.#buffer.length < end) return undefined;
    const frame = this.#buffer.subarray(LENGTH_BYTES, end);
    this.#buffer = this.#buffer.subarray(end);
    return frame;
  }
}
