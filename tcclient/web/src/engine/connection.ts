/**
 * Carries a session: bytes, timers and signatures. It decides nothing. For the worker.
 *
 * A seat may outlive a WebSocket: then its deadlines go on, and what it has to say waits for the next one.
 */

import type { Event } from "../core/events.js";
import type { MediaPacket } from "../core/media/packet.js";
import type { Session } from "../core/session.js";
import { packControl, packDatagram, parseMessage, StreamPathError, SUBPROTOCOL } from "../protocol/stream-path.js";
import { Uplink } from "./uplink.js";

/** Milliseconds until the socket is asked again whether what waits may be written. */
const UPLINK_POLL = 4;
/** Milliseconds of a timer at least, so that a deadline that has just passed does not spin. */
const LEAST_TIMER = 1;
/** Milliseconds of a timer at most: a longer one would end at once (HTML, section 8.6). */
const MOST_TIMER = 2 ** 31 - 1;
/** Milliseconds until a connection that is not there is given up. */
const CONNECT_TIMEOUT = 10_000;
/** Codes with which a WebSocket is closed: by one who leaves, and by one who comes back (PROTOCOL.md, "Stream path"). */
const LEAVING = 1000;
const COMING_BACK = 4000;

/** Return the monotonic time in seconds, which the whole worker uses. */
export function monotonic(): number {
  return performance.now() / 1000;
}

export interface Owner {
  happened(event: Event): void;
  received(packets: readonly MediaPacket[]): void;
  /** Return the signature of the device identity. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export class Connection {
  readonly uplink = new Uplink();
  /** Bytes of messages, since the beginning. */
  sent = 0;
  received = 0;
  /** Whether the newest WebSocket was ever there. */
  opened = false;
  private socket: WebSocket | undefined;
  private ended = false;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private poll: ReturnType<typeof setTimeout> | undefined;
  private giveUp: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly address: string,
    private readonly session: Session,
    private readonly owner: Owner,
  ) {
    this.open();
  }

  /** Open a WebSocket; another one after `detached`. */
  open(): void {
    const socket = new WebSocket(this.address, SUBPROTOCOL);
    this.socket = socket;
    this.opened = false;
    socket.binaryType = "arraybuffer";
    this.giveUp = setTimeout(() => this.fail(), CONNECT_TIMEOUT);
    socket.onopen = () => {
      clearTimeout(this.giveUp);
      this.opened = true;
      this.pump();
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") this.fail();
      else this.take(new Uint8Array(event.data));
    };
    socket.onclose = () => this.fail();
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
    this.ended = true;
    clearTimeout(this.deadline);
    clearTimeout(this.poll);
    this.drop(LEAVING);
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
      if (event.type === "detached") this.drop(COMING_BACK);
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
    const socket = this.openSocket();
    if (socket !== undefined) {
      for (const message of packControl(this.session.controlToSend())) this.write(socket, message);
    }
    for (const datagram of this.session.datagramsToSend(monotonic())) this.uplink.push(datagram, monotonic());
    this.flush();
  }

  private flush(): void {
    const socket = this.openSocket();
    if (socket === undefined) return;
    for (const datagram of this.uplink.take(socket.bufferedAmount, monotonic())) {
      this.write(socket, packDatagram(datagram));
    }
    if (this.uplink.waiting > 0) {
      this.poll ??= setTimeout(() => {
        this.poll = undefined;
        this.flush();
      }, UPLINK_POLL);
    }
  }

  private openSocket(): WebSocket | undefined {
    return this.socket?.readyState === WebSocket.OPEN ? this.socket : undefined;
  }

  private write(socket: WebSocket, message: Uint8Array<ArrayBuffer>): void {
    socket.send(message);
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
      Math.min(Math.max(LEAST_TIMER, (due - monotonic()) * 1000), MOST_TIMER),
    );
  }

  private fail(): void {
    this.session.receiveEof();
    this.pump();
  }

  /** Give the WebSocket up. */
  private drop(code: number): void {
    clearTimeout(this.giveUp);
    const { socket } = this;
    if (socket === undefined) return;
    this.socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }
}
