/** What the person asks of the server, until it is answered. For the worker. */

import type { DeriveKey, Event } from "../core/events.js";
import type { Session } from "../core/session.js";
import { deriveAccountKey } from "../protocol/account.js";
import { hex } from "../protocol/bytes.js";
import { Refusal } from "../protocol/errors.js";
import type { SigningKey } from "../protocol/identity.js";
import type { Request } from "./commands.js";
import type { ParticipantId, Problem } from "./facts.js";
import { monotonic } from "./connection.js";

/** Requests that may be open at once: the protocol's own limit is 256. */
const MAX_OPEN = 128;

type ChatBegins = (messageId: Uint8Array, text: string, to: ParticipantId | undefined) => void;

export class Requests {
  /** The page's number of each open request, by the session's id of it, or by message id. */
  private readonly open = new Map<number | string, number>();

  /**
   * `answer` gets the page's number of a request, and why it was refused; `keyMade` each account key that was derived for
   * another password, since the way back after a loss needs it.
   */
  constructor(
    private readonly answer: (number: number, problem: Problem | undefined) => void,
    private readonly keyMade: (derivation: DeriveKey, key: SigningKey) => void,
  ) {}

  /** Send a request; `chatBegins` is told of a text before its answer. */
  send(session: Session, number: number, request: Request, chatBegins: ChatBegins): void {
    if (this.open.size >= MAX_OPEN) {
      this.answer(number, { code: "rate_limited", detail: "too many open requests", retryAfter: 1 });
      return;
    }
    try {
      if (request.type === "chat") {
        const { text, to } = request;
        const scope = to === undefined ? "room" : "participant";
        const messageId = session.seat.sendChat(text, Date.now(), monotonic(), scope, to);
        this.open.set(hex(messageId), number);
        chatBegins(messageId, text, to);
      } else {
        this.open.set(this.carryOut(session, request), number);
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

  /** Carry out a request; return the session's id of it. */
  private carryOut(session: Session, request: Exclude<Request, { readonly type: "chat" }>): number {
    const { seat } = session;
    switch (request.type) {
      case "callUp":
        // Requests in a row on one connection: the answer to the last tells of all.
        if (request.participant !== session.seat.room.own) {
          seat.muteOther(request.participant, "microphone", false, true);
          seat.muteOther(request.participant, "microphone", false);
        }
        return seat.lowerHand({ participant: request.participant });
      case "raiseHand":
        return seat.raiseHand();
      case "lowerHand":
        return seat.lowerHand(request.participant === undefined ? {} : { participant: request.participant });
      case "lowerAllHands":
        return seat.lowerHand({ everybody: true });
      case "muteOther":
        return seat.muteOther(request.participant ?? 0, request.source, request.muted, request.hard);
      case "setRole":
        return seat.setRole(request.participant, request.role);
      case "remove":
        return seat.kick(request.participant);
      case "updateRoom": {
        const { title, limit } = request;
        return seat.updateRoom({
          ...(title === undefined ? {} : { title }),
          ...(limit === undefined ? {} : { maxParticipants: limit }),
        });
      }
      case "lockRoom":
        return seat.lockRoom(request.locked);
      case "setAudioOnly":
        return seat.setAudioOnly(request.audioOnly);
      case "closeRoom":
        return seat.closeRoom();
      case "changePassword":
        return this.changePassword(session, request.current, request.next);
    }
  }

  /** Derive the keys of both passwords, which takes a second or two, and give the account the next one. */
  private changePassword(session: Session, current: string, next: string): number {
    const keys = session.login.passwordKeys();
    const derive = (password: string, { salt, memoryBytes, passes }: DeriveKey): SigningKey =>
      deriveAccountKey(password, salt, memoryBytes, passes);
    const key = derive(next, keys.next);
    this.keyMade(keys.next, key);
    return session.login.changePassword(derive(current, keys.present), key, keys.salt);
  }
}
