/** What the server answers to a request that was made in a room: the seat takes it in, and it may be an event. */

import { ErrorReply, type Message } from "../protocol/messages.js";
import type { Event } from "./events.js";
import type { Seat } from "./seat.js";

/** A request with its answer. */
interface Answered<A> {
  readonly request: Message;
  readonly requestId: number;
  readonly answer: A;
}

/** Take the reply to a request; return the event of it, if there is one. `seat` is undefined where it was given up. */
export function accepted(seat: Seat | undefined, answered: Answered<Message>, now: number): Event | undefined {
  const { request, requestId, answer } = answered;
  if (answer.t === "published") {
    seat?.publishing.published(answer.number, answer, now);
    return undefined;
  }
  if (answer.t === "chat_accepted" && request.t === "chat") {
    seat?.texts.answered(request.messageId, true);
    return { type: "chatSent", messageId: request.messageId, sentAt: Number(answer.sentAt) };
  }
  return { type: "requestDone", request: requestId };
}

/** Take the refusal of a request; otherwise as `accepted`. */
export function refused(seat: Seat | undefined, answered: Answered<ErrorReply>, now: number): Event | undefined {
  const { request, requestId, answer } = answered;
  const { code, text, action, retryAfterMs } = answer;
  switch (request.t) {
    case "publish":
      seat?.publishing.published(request.number, ErrorReply.make({ code, text, action }), now);
      return undefined;
    case "get_snapshot":
      seat?.snapshots.refused(retryAfterMs / 1000, now);
      return undefined;
    case "chat":
      seat?.texts.answered(request.messageId, false);
      return { type: "chatFailed", messageId: request.messageId, code, text };
    default:
      return { type: "requestFailed", request: requestId, code, text, retryAfterMs };
  }
}
