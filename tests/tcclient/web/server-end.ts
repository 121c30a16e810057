/** The server's end of a control connection, for tests of sessions. */

import assert from "node:assert/strict";

import { concat, NO_BYTES } from "../../../tcclient/web/src/protocol/bytes.js";
import { encodeFrame, FrameDecoder, MAX_FRAME } from "../../../tcclient/web/src/protocol/framing.js";
import { fingerprint } from "../../../tcclient/web/src/protocol/identity.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import type { Message } from "../../../tcclient/web/src/protocol/messages.js";
import { pack } from "../../../tcclient/web/src/protocol/msgpack.js";
import { type CipherState, SymmetricState } from "../../../tcclient/web/src/protocol/noise.js";
import { agree, publicOf } from "../../../tcclient/web/src/protocol/sodium.js";

/** Return 32 bytes that are the same in each run. */
export function filled(byte: number, size = 32): Uint8Array {
  return new Uint8Array(size).fill(byte);
}

export const STATIC = filled(0x10);

/** Return the static key's fingerprint, as a link has it. */
export function serverFingerprint(): Uint8Array {
  return fingerprint(publicOf(STATIC));
}

/** The server's end of a control connection. */
export class ServerEnd {
  readonly requests: {
    readonly message: Message;
    readonly requestId: number;
  }[] = [];
  readonly #frames = new FrameDecoder(MAX_FRAME);
  readonly #symmetric = new SymmetricState();
  #receive: CipherState | undefined;
  #send: CipherState | undefined;
  #out: Uint8Array = NO_BYTES;

  /** `static_` is the private key that it proves. */
  constructor(private readonly static_ = STATIC) {}

  receive(data: Uint8Array): void {
    this.#frames.receiveData(data);
    for (let frame = this.#frames.nextFrame(); frame !== undefined; frame = this.#frames.nextFrame()) {
      if (this.#receive === undefined) this.#greet(frame);
      else {
        const { message, requestId } = messages.decode(this.#receive.decrypt(frame).subarray(1));
        assert(message.t !== undefined);
        this.requests.push({ message, requestId });
      }
    }
  }

  /** Send a body with its type byte in a frame of the channel. */
  sendBody(body: Uint8Array): void {
    assert(this.#send !== undefined);
    this.#out = concat(this.#out, encodeFrame(this.#send.encrypt(body)));
  }

  send(message: Message, requestId = 0): void {
    this.sendBody(concat(Uint8Array.of(0), messages.encode(message, requestId)));
  }

  /** Send bytes as they are. */
  sendRaw(data: Uint8Array): void {
    this.#out = concat(this.#out, data);
  }

  take(): Uint8Array {
    const out = this.#out;
    this.#out = NO_BYTES;
    return out;
  }

  /** Answer the first handshake message as the responder of Noise NX. */
  #greet(frame: Uint8Array): void {
    const [ephemeral, own, symmetric] = [frame.subarray(0, 32), filled(0x30), this.#symmetric];
    symmetric.mixHash(ephemeral);
    symmetric.decryptAndHash(frame.subarray(32));
    const ownPublic = publicOf(own);
    symmetric.mixHash(ownPublic);
    symmetric.mixKey(agree(own, ephemeral));
    const said = symmetric.encryptAndHash(publicOf(this.static_));
    symmetric.mixKey(agree(this.static_, ephemeral));
    const hello = messages.ServerHello.make({ version: 1, versions: [1] });
    const payload = symmetric.encryptAndHash(pack(messages.ServerHello.encode(hello)));
    this.sendRaw(encodeFrame(concat(ownPublic, said, payload)));
    [this.#receive, this.#send] = symmetric.split();
  }
}
