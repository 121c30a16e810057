/** What the person asks of the server, until it is answered. For the worker. */

import type { Event } from "../core/events.js";
import type { Seat, Session } from "../core/session.js";
import { hex } from "../protocol/bytes.js";
import { Refusal } from "../protocol/errors.js";
import type { Request } from "./commands.js";
import type { ParticipantId, Problem } from "./facts.js";
import { monotonic } from "./connection.js";

/** Requests that may be open at once: the protocol's own limit is 256. */
const MAX_OPEN = 128;

type ChatBegins = (messageId: Uint8Array, text: string, to: ParticipantId | undefined) => void;

export class Requests {
  /** The page's number of each open request, by the session's id of it, or by message id. */
  private readonly open = new Map<number | string, number>();

  /** `answer` gets the page's number of a request, and why it was refused. */
  constructor(private readonly answer: (number: number, problem: Problem | undefined) => void) {}

  /** Send a request; `chatBegins` is told of a text before its answer. */
  send(session: Session, number: number, request: Request, chatBegins: ChatBegins): void {
    if (this.open.size >= MAX_OPEN) {
      this.answer(number, { code: "rate_limited", detail: "too many open requests", retryAfter: 1 });
      return;
    }
    try {
      const { seat } = session;
      if (request.type === "chat") {
        const { text, to } = request;
        const scope = to === undefined ? "room" : "participant";
        const messageId = seat.sendChat(text, Date.now(), monotonic(), scope, to);
        this.open.set(hex(messageId), number);
        chatBegins(messageId, text, to);
      } else {
        const id = carryOut(seat, request);
        if (id === undefined) this.answer(number, { code: "bad_request", detail: request.type, retryAfter: 0 });
        else this.open.set(id, number);
      }
    } catch (error) {
      if (!(error instanceof Refusal) && !(error instanceof RangeError)) throw error;
      const code = error instanceof Refusal ? error.code : "bad_request";
      this.answer(number, { code, detail: error.message, retryAfter: 0 });
    }
  }

  /** Take an event of the session. */
  take(event: Event): void {
    switch (event.type) {
      case "requestDone":
        this.close(event.request, undefined);
        break;
      case "requestFailed":
        this.close(event.request, {
          code: event.code,
          detail: event.text,
          retryAfter: event.retryAfterMs / 1000,
        });
        break;
      case "chatSent":
        this.close(hex(event.messageId), undefined);
        break;
      case "chatFailed":
        this.close(hex(event.messageId), { code: event.code, detail: event.text, retryAfter: 0 });
        break;
    }
  }

  /** The connection is gone: nobody answers any more. */
  lost(): void {
    for (const key of [...this.open.keys()]) this.close(key, { code: "connection_lost", detail: "", retryAfter: 0 });
  }

  private close(key: number | string, problem: Problem | undefined): void {
    const number = this.open.get(key);
    if (number === undefined) return;
    this.open.delete(key);
    this.answer(number, problem);
  }
}

/** Carry out a request; return the session's id of it, or undefined for one that this protocol has no message for. */
function carryOut(seat: Seat, request: Exclude<Request, { readonly type: "chat" }>): number | undefined {
  switch (request.type) {
    case "setRole":
      return seat.setRole(request.participant, request.role);
    case "remove":
      return seat.kick(request.participant);
    case "setRoom":
      return seat.updateRoom({
        ...(request.title === undefined ? {} : { title: request.title }),
        ...(request.limit === undefined ? {} : { maxParticipants: request.limit }),
      });
    case "closeRoom":
      return seat.closeRoom();
    default:
      return undefined;
  }
}
