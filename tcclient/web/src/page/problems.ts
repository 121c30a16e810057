/** The sentences for what goes wrong. */

import type { DeviceFault, Problem } from "../engine/meeting.js";
import type { Translate } from "./language.js";

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

/** Say what is wrong alone: the first sentence, where nothing is to be done. */
export function reasonText(t: Translate, { code }: Pick<Problem, "code">): string {
  return /^.*?\.(?= |$)/.exec(t(`error.${code}`))?.[0] ?? "";
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
  return { code: "internal", retryAfter: 0, detail: String(reason) };
}
