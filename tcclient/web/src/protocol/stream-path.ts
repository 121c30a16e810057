/**
 * The stream path: datagrams and the control connection in one WebSocket, for who cannot use UDP.
 *
 * A message is binary and begins with a byte of kind. PROTOCOL.md, "Stream path".
 */

import { concat } from "./bytes.js";

/** The WebSocket subprotocol that a client offers and the server chooses. */
export const SUBPROTOCOL = "tc.1";
/** The most bytes of the control connection in one message. Longer pieces would hold up the audio behind them. */
export const MAX_CONTROL_BYTES = 16_384;
/** The most bytes of a message. */
export const MAX_MESSAGE = 1 + MAX_CONTROL_BYTES;
/** Bytes below the queue that have not left this machine, from which on datagrams wait: three of the largest. */
export const MAX_UNSENT = 4000;
/** Seconds after which a small datagram, and a large one, is dropped. */
export const SMALL_PATIENCE = 0.4;
export const LARGE_PATIENCE = 0.25;
/** Small datagrams that wait at most, those of six talkers; and large ones, a keyframe of 280 kB. */
export const MAX_SMALL = 128;
export const MAX_LARGE = 256;

const CONTROL = 0;
const DATAGRAM = 1;

/** A message that the server must not send. `code` is the one that the WebSocket ends with (RFC 6455, section 7.4.1). */
export class StreamPathError extends Error {
  override readonly name = "StreamPathError";

  constructor(
    readonly code: number,
    detail: string,
  ) {
    super(detail);
  }
}

/** What a message carries: bytes of the control connection, in order, or one datagram. */
export interface StreamMessage {
  readonly kind: "control" | "datagram";
  readonly rest: Uint8Array;
}

/** Return the messages that carry bytes of the control connection. */
export function packControl(data: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const messages: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < data.length; at += MAX_CONTROL_BYTES) {
    messages.push(concat(Uint8Array.of(CONTROL), data.subarray(at, at + MAX_CONTROL_BYTES)));
  }
  return messages;
}

/** Return the message that carries a datagram. */
export function packDatagram(datagram: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(DATAGRAM), datagram);
}

/**
 * Return what a binary message carries. Throws `StreamPathError`.
 *
 * A datagram may have any size here: one of a wrong size is dropped where it is opened, as one that came by UDP.
 */
export function parseMessage(message: Uint8Array): StreamMessage {
  if (message.length > MAX_MESSAGE) throw new StreamPathError(1009, `a message of ${message.length} bytes`);
  const [kind] = message;
  const rest = message.subarray(1);
  if (kind === DATAGRAM) return { kind: "datagram", rest };
  if (kind !== CONTROL) throw new StreamPathError(1002, "an empty message, or one of another kind");
  if (rest.length === 0) throw new StreamPathError(1002, "a control message without bytes");
  return { kind: "control", rest };
}
