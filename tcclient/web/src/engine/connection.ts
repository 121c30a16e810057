/** Carries a session over one WebSocket: bytes, timers and signatures. It decides nothing. For the worker. */

import type { Event } from "../core/events.js";
import type { MediaPacket } from "../core/media/packet.js";
import type { Session } from "../core/session.js";
import { packControl, packDatagram, parseMessage, StreamPathError, SUBPROTOCOL } from "../protocol/stream-path.js";
import { Uplink } from "./uplink.js";

/** Milliseconds until the socket is asked again whether what waits may be written. */
const UPLINK_POLL = 4;
/** Milliseconds of a timer at least, so that a deadline that has just passed does not spin. */
const LEAST_TIMER = 1;
/** Milliseconds until a connection that is not there is given up. */
const CONNECT_TIMEOUT = 10_000;

/** Return the monotonic time in seconds, which the whole worker uses. */
export function monotonic(): number {
  return performance.now() / 1000;
}

export interface Owner {
  happened(event: Event): void;
  received(packets: readonly MediaPacket[]): void;
  /** The WebSocket ended without `closed`; `opened` tells whether it was ever there. */
  lost(opened: boolean): void;
  /** Return the signature of the device identity. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export class Connection {
  readonly uplink = new Uplink();
  /** Bytes of messages, since the beginning. */
  sent = 0;
  received = 0;
  private readonly socket: WebSocket;
  private opened = false;
  private ended = false;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private poll: ReturnType<typeof setTimeout> | undefined;
  private readonly giveUp: ReturnType<typeof setTimeout>;

  constructor(
    address: string,
    private readonly session: Session,
    private readonly owner: Owner,
  ) {
    this.socket = new WebSocket(address, SUBPROTOCOL);
    this.socket.binaryType = "arraybuffer";
    this.giveUp = setTimeout(() => this.fail(), CONNECT_TIMEOUT);
    this.socket.onopen = () => {
      clearTimeout(this.giveUp);
      this.opened = true;
      this.pump();
    };
    this.socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") this.fail();
      else this.take(new Uint8Array(event.data));
    };
    this.socket.onclose = () => this.fail();
  }

  /** Bytes that were written and have not left the browser. */
  get unsent(): number {
    return this.socket.bufferedAmount;
  }

  /** Tell and send what the session has; call after each verb. */
  pump(): void {
    if (this.ended) return;
    this.tell();
    this.send();
    this.schedule();
  }

  /** End the connection, after the farewell of the session. */
  close(): void {
    if (this.ended) return;
    this.send();
    this.end();
  }

  private take(message: Uint8Array): void {
    if (this.ended) return;
    this.received += message.length;
    try {
      const { kind, rest } = parseMessage(message);
      if (kind === "control") this.session.receiveControl(rest, monotonic());
      else this.session.receiveDatagram(rest, monotonic());
    } catch (error) {
      if (!(error instanceof StreamPathError)) throw error;
      this.fail(); // a page cannot close with the code of a protocol error
      return;
    }
    this.pump();
  }

  private tell(): void {
    for (;;) {
      const event = this.session.nextEvent();
      if (event === undefined) break;
      if (event.type === "sign") void this.sign(event.id, event.bytes);
      else this.owner.happened(event);
      if (this.ended) return;
      if (event.type === "closed") {
        this.close();
        return;
      }
    }
    const packets = this.session.mediaReceived();
    if (packets.length > 0) this.owner.received(packets);
  }

  private async sign(id: number, bytes: Uint8Array): Promise<void> {
    const signature = await this.owner.sign(bytes);
    if (this.ended) return;
    this.session.signed(id, signature, monotonic());
    this.pump();
  }

  private send(): void {
    if (!this.opened || this.socket.readyState !== WebSocket.OPEN) return;
    for (const message of packControl(this.session.controlToSend())) this.write(message);
    for (const datagram of this.session.datagramsToSend(monotonic())) this.uplink.push(datagram, monotonic());
    this.flush();
  }

  private flush(): void {
    if (this.ended) return;
    for (const datagram of this.uplink.take(this.unsent, monotonic())) this.write(packDatagram(datagram));
    if (this.uplink.waiting > 0) {
      this.poll ??= setTimeout(() => {
        this.poll = undefined;
        this.flush();
      }, UPLINK_POLL);
    }
  }

  private write(message: Uint8Array<ArrayBuffer>): void {
    this.socket.send(message);
    this.sent += message.length;
  }

  private schedule(): void {
    clearTimeout(this.deadline);
    if (this.ended) return;
    const due = this.session.nextDeadline();
    if (due === Infinity) return;
    this.deadline = setTimeout(
      () => {
        this.session.handleTimeout(monotonic());
        this.pump();
      },
      Math.max(LEAST_TIMER, (due - monotonic()) * 1000),
    );
  }

  private fail(): void {
    if (this.ended) return;
    this.session.receiveEof();
    this.tell();
    if (this.ended) return;
    this.end();
    this.owner.lost(this.opened);
  }

  private end(): void {
    this.ended = true;
    clearTimeout(this.deadline);
    clearTimeout(this.poll);
    clearTimeout(this.giveUp);
    this.socket.onclose = null;
    this.socket.close(1000);
  }
}
