/** What a browser lacks of what the page needs. */

export type Missing = "secure_context" | "webcodecs" | "audio_worklet" | "web_crypto";

/** The parts of the global scope that are looked at. */
export interface BrowserScope {
  readonly isSecureContext: boolean;
  readonly AudioEncoder?: unknown;
  readonly AudioDecoder?: unknown;
  readonly VideoDecoder?: unknown;
  readonly AudioWorkletNode?: unknown;
  readonly crypto?: { readonly subtle?: unknown };
}

/** Return what is missing; empty where the browser can take part. Without a secure context nothing else is there. */
export function missingFeatures(scope: BrowserScope): readonly Missing[] {
  if (!scope.isSecureContext) return ["secure_context"];
  const missing: Missing[] = [];
  if ([scope.AudioEncoder, scope.AudioDecoder, scope.VideoDecoder].includes(undefined)) missing.push("webcodecs");
  if (scope.AudioWorkletNode === undefined) missing.push("audio_worklet");
  if (scope.crypto?.subtle === undefined) missing.push("web_crypto");
  return missing;
}
