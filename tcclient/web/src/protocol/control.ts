/**
 * The control connection: handshake, frames, cipher and messages as one state machine without input and output.
 *
 * `receiveData` only buffers. `nextEvent` returns one event after the other, and undefined when more data is needed.
 * `dataToSend` returns what has to be sent. When a peer breaks the protocol, `nextEvent` returns the events before that, then
 * throws one `ProtocolError`, and nothing more is read. Inside the cipher a frame begins with a type byte: 0 is a control
 * message.
 */

import { concat, NO_BYTES } from "./bytes.js";
import { CODES, type ErrorCode, ProtocolError, Refusal } from "./errors.js";
import { encodeFrame, FrameDecoder, LIMIT_BEFORE_LOGIN, MAX_FRAME } from "./framing.js";
import {
  ClientHello,
  Close,
  decode,
  type ErrorReply,
  encode,
  type Message,
  rowOf,
  ServerHello,
  type Unknown,
  unpacked,
} from "./messages.js";
import { pack } from "./msgpack.js";
import { type CipherState, Initiator } from "./noise.js";
import { isCounted, SentMessages } from "./resumption.js";

/** The version that is spoken here. */
export const PROTOCOL_VERSION = 1;
const FRAME_MESSAGE = 0;
/** The most requests that wait for their reply; further ones are refused here. */
export const MAX_OPEN_REQUESTS = 256;
/** The most requests of one type that timers make while none is answered: pings of 40 s. */
export const MAX_ASKED = 8;
const MAX_EXPLANATION = 256;

/** The channel is set up. */
export interface HandshakeCompleted {
  readonly type: "handshakeCompleted";
  /** 64 bytes. */
  readonly handshakeHash: Uint8Array;
  /** The static key that the server proved, 32 bytes. */
  readonly remoteStatic: Uint8Array;
}

/** A notification (`requestId` 0) or a request of the peer. */
export interface Received {
  readonly type: "received";
  readonly message: Message | Unknown;
  readonly requestId: number;
}

/** The reply to a request of ours: its answer, or `error`. */
export interface Replied {
  readonly type: "replied";
  readonly request: Message;
  readonly reply: Message | ErrorReply;
  readonly requestId: number;
}

export type ControlEvent = HandshakeCompleted | Received | Replied;

/** A request without a reply. */
interface Asked {
  readonly message: Message;
  /** Number of the newest counted message when it was sent: a reply says that it came. */
  readonly sent: number;
}

interface Channel {
  readonly send: CipherState;
  readonly receive: CipherState;
}

/** The client's end of a control connection. The first handshake message is ready to be sent. */
export class ControlConnection {
  /** Number of the newest counted message of the session that came. */
  received = 0;
  /** Counted messages of the session that the server may not have. */
  sent = new SentMessages();
  readonly #frames = new FrameDecoder(LIMIT_BEFORE_LOGIN);
  readonly #initiator: Initiator;
  readonly #requests = new Map<number, Asked>();
  #out: Uint8Array[];
  #channel: Channel | undefined;
  #isAuthenticated = false;
  #failure: ProtocolError | undefined;
  #lastRequest = 0;

  /** `software` names the software in the handshake; `ephemeralPrivate` has 32 random bytes. */
  constructor(software: string, ephemeralPrivate: Uint8Array) {
    this.#initiator = new Initiator(ephemeralPrivate);
    const hello = ClientHello.encode(ClientHello.make({ versions: [PROTOCOL_VERSION], software }));
    this.#out = [encodeFrame(this.#initiator.writeMessage(pack(hello)))];
  }

  /** Buffer what came from the stream. After the peer broke the protocol, drop it. */
  receiveData(data: Uint8Array): void {
    if (this.#failure === undefined) this.#frames.receiveData(data);
  }

  /**
   * Return the next event, or undefined when more data is needed.
   *
   * Throws `ProtocolError` when the peer broke the protocol, and the same error on each call after that.
   */
  nextEvent(): ControlEvent | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#next();
    } catch (error) {
      if (error instanceof ProtocolError) this.#failure = error;
      throw error;
    }
  }

  /** Send a request. Return its id. Throws `RangeError` for a field out of range, `Refusal` when too many are open. */
  request(message: Message): number {
    if (this.#requests.size >= MAX_OPEN_REQUESTS)
      throw new Refusal("rate_limited", "too many requests without a reply");
    const requestId = this.#lastRequest + 1;
    this.#send(message, requestId);
    this.#lastRequest = requestId;
    this.#requests.set(requestId, { message, sent: this.sent.number });
    return requestId;
  }

  /** Send a request that a timer repeats, unless too many of this type have no reply. */
  ask(message: Message): void {
    const same = [...this.#requests.values()].filter((asked) => asked.message.t === message.t).length;
    if (same < MAX_ASKED && this.#requests.size < MAX_OPEN_REQUESTS) this.request(message);
  }

  /** Leave the request ids to the connection before, of a session that is to be resumed on this one. */
  follow(before: ControlConnection): void {
    // It may still make requests that wait for the resumption, as many as may be open.
    this.#lastRequest = before.#lastRequest + MAX_OPEN_REQUESTS;
  }

  /**
   * Go on with the session of the connection before, which the server has resumed.
   *
   * The messages after `number`, of which `before.sent.hasAfter` is true, are sent again. The replies to all requests that
   * are open come here.
   */
  takeOver(before: ControlConnection, number: number): void {
    [this.received, this.sent] = [before.received, before.sent];
    for (const [requestId, asked] of before.#requests) {
      if (isCounted(asked.message)) this.#requests.set(requestId, asked);
    }
    this.sent.forget(number);
    for (const { message, requestId } of this.sent.after(number)) this.#encrypt(encode(message, requestId));
  }

  /** Send a notification. Throws `RangeError` for a field out of range. */
  send(message: Message): void {
    this.#send(message, 0);
  }

  /** Send the reply to a request of the peer. */
  reply(requestId: number, message: Message): void {
    this.#send(message, requestId);
  }

  /** Tell the peer why the connection ends, if there is a channel. Only printable characters of `text` are sent. */
  close(code: ErrorCode, text = ""): void {
    if (this.#channel === undefined) return;
    const printable = [...(text || CODES[code].text)].filter((character) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(character));
    this.send(Close.make({ code, text: printable.slice(0, MAX_EXPLANATION).join(""), action: CODES[code].action }));
  }

  /** Return what has to be sent, and forget it. */
  dataToSend(): Uint8Array {
    const data = this.#out.length === 0 ? NO_BYTES : concat(...this.#out);
    this.#out = [];
    return data;
  }

  #next(): ControlEvent | undefined {
    const frame = this.#frames.nextFrame();
    if (frame === undefined) return undefined;
    return this.#channel === undefined ? this.#handshake(frame) : this.#frame(this.#channel.receive.decrypt(frame));
  }

  #send(message: Message, requestId: number): void {
    const row = rowOf(message);
    if (row.sender === "server") throw new RangeError(`${row.name} is not this side's to send`);
    const encoded = encode(message, requestId);
    this.#encrypt(encoded);
    if (this.#isAuthenticated && isCounted(message)) this.sent.add({ message, requestId, size: encoded.length });
  }

  #encrypt(encoded: Uint8Array): void {
    if (this.#channel === undefined) throw new RangeError("there is no channel yet");
    this.#out.push(encodeFrame(this.#channel.send.encrypt(concat(Uint8Array.of(FRAME_MESSAGE), encoded))));
  }

  #handshake(frame: Uint8Array): ControlEvent {
    const { payload, handshakeHash, remoteStatic, send, receive } = this.#initiator.readMessage(frame);
    const hello = readHello(payload);
    this.#channel = { send, receive };
    if (hello.version !== PROTOCOL_VERSION) {
      const spoken = hello.versions.join(", ") || "none";
      throw new ProtocolError(
        "unsupported_version",
        `the server speaks versions ${spoken}, this page ${PROTOCOL_VERSION}`,
      );
    }
    return { type: "handshakeCompleted", handshakeHash, remoteStatic };
  }

  #frame(body: Uint8Array): ControlEvent {
    if (body[0] !== FRAME_MESSAGE) throw new ProtocolError("bad_frame", "a frame of an unknown type");
    const { message, requestId } = decode(body.subarray(1));
    if (this.#isAuthenticated && isCounted(message)) this.received++;
    if (message.t === undefined) return { type: "received", message, requestId };
    const row = rowOf(message);
    if (row.sender === "client") throw new ProtocolError("unexpected_message", `${row.name} is not the peer's to send`);
    if (row.reply) return this.#replied(message, requestId);
    const states = this.#isAuthenticated ? (["lobby", "room"] as const) : (["login"] as const);
    if (!states.some((state) => row.states.includes(state))) {
      const when = this.#isAuthenticated ? "after" : "before";
      throw new ProtocolError("unexpected_message", `${row.name} ${when} the login`);
    }
    return { type: "received", message, requestId };
  }

  #replied(reply: Message, requestId: number): Replied {
    const asked = this.#requests.get(requestId);
    if (asked === undefined) throw new ProtocolError("unexpected_message", "a reply to nothing");
    this.#requests.delete(requestId);
    this.sent.forget(asked.sent);
    const request = asked.message;
    if (reply.t !== "error" && reply.t !== rowOf(request).answer) {
      throw new ProtocolError("unexpected_message", "a reply of the wrong type");
    }
    if (reply.t === "welcome" || reply.t === "resumed") {
      this.#isAuthenticated = true;
      this.#frames.limit = MAX_FRAME;
    }
    return { type: "replied", request, reply, requestId };
  }
}

/** Decode the hello of the server. It may have other keys: a peer of a later version says hello in the same way. */
function readHello(payload: Uint8Array): ServerHello {
  try {
    return ServerHello.decode(unpacked(payload));
  } catch (error) {
    throw new ProtocolError("bad_handshake", error instanceof Error ? error.message : "");
  }
}
