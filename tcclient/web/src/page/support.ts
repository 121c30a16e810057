/** What a browser lacks of what the page needs, and what it can do besides. */

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

/** What not every browser can do, and the page does without. */
export interface Abilities {
  readonly shareScreen: boolean;
  readonly fullScreen: boolean;
  readonly pictureInPicture: boolean;
  readonly chooseSpeaker: boolean;
  /** Show the pictures of others in a `<video>`, which costs less than a canvas. */
  readonly videoPictures: boolean;
}

/** Return what this browser can do. */
export function abilities(): Abilities {
  return {
    shareScreen: "getDisplayMedia" in (navigator.mediaDevices ?? {}),
    fullScreen: document.fullscreenEnabled,
    pictureInPicture: document.pictureInPictureEnabled ?? false,
    chooseSpeaker: "setSinkId" in AudioContext.prototype,
    videoPictures: "MediaStreamTrackGenerator" in globalThis,
  };
}
