/** The sentences for what goes wrong. */

import type { DeviceFault, Phase, Problem } from "../engine/meeting.js";
import type { Translate } from "./language.js";

type Returning = Pick<Extract<Phase, { name: "returning" }>, "reason" | "attempt">;

/** Say what is wrong and what to do, and when another attempt makes sense. */
export function problemText(t: Translate, { code, retryAfter }: Problem): string {
  const sentence = t(`error.${code}`);
  if (retryAfter <= 0) return sentence;
  const wait =
    retryAfter < 90
      ? t("error.wait_seconds", { count: Math.ceil(retryAfter) })
      : t("error.wait_minutes", { count: Math.ceil(retryAfter / 60) });
  return `${sentence} ${wait}`;
}

/** Attempts to come back after which a person may look for the reason: the browser shows a new certificate to none. */
export const ALONE_ATTEMPTS = 5;

/** Say why the page comes back by itself. While that may succeed soon, nothing else is to be done. */
export function returningText(t: Translate, { reason, attempt }: Returning): string {
  const sentences = t(`error.${reason.code}`);
  const isStuck = reason.code === "unreachable" && attempt > ALONE_ATTEMPTS;
  const text = isStuck ? sentences : (/^.*?\.(?= |$)/.exec(sentences)?.[0] ?? "");
  return `${text} ${t("banner.returning", { attempt })}`;
}

/** Say what is wrong with a device and what to do. */
export function faultHelp(t: Translate, kind: "microphone" | "camera" | "screen", fault: DeviceFault): string {
  return t(`fault.${kind}.${fault}`);
}

/** Make a problem of what a promise was rejected with. */
export function asProblem(reason: unknown): Problem {
  if (typeof reason === "object" && reason !== null && "code" in reason && "retryAfter" in reason) {
    return reason as Problem;
  }
  // The browser refuses what a person asked of it, such as a full screen: the meeting goes on.
  const code = reason instanceof DOMException ? "browser_refused" : "internal";
  return { code, retryAfter: 0, detail: String(reason) };
}
