/** What the page remembers of a person in this browser. The password is not among it. */

import { isLanguage, type Language } from "./language.js";

export type ReceivedHeight = 180 | 360 | 720;
export type ViewMode = "grid" | "speaker";

export interface Preferences {
  /** Empty: as the browser prefers. */
  readonly language: Language | "";
  readonly account: string;
  /** The display name. */
  readonly name: string;
  /** Ids of devices; empty is the default of the browser. */
  readonly microphone: string;
  readonly camera: string;
  readonly speaker: string;
  /** Whether they are opened before the entry. */
  readonly microphoneOn: boolean;
  readonly cameraOn: boolean;
  readonly dataSaver: boolean;
  readonly receivedHeight: ReceivedHeight;
  readonly mode: ViewMode;
  /** Whether the person has read who can replace the page. */
  readonly noticeRead: boolean;
}

export const DEFAULTS: Preferences = {
  language: "",
  account: "",
  name: "",
  microphone: "",
  camera: "",
  speaker: "",
  microphoneOn: true,
  cameraOn: true,
  dataSaver: false,
  receivedHeight: 720,
  mode: "grid",
  noticeRead: false,
};

const KEY = "teleconference";
/** The most characters of a remembered text: names and ids of devices are shorter. */
const MAX_TEXT = 256;

type Checks = { readonly [Name in keyof Preferences]: (value: unknown) => boolean };

const isText = (value: unknown) => typeof value === "string" && value.length <= MAX_TEXT;
const isFlag = (value: unknown) => typeof value === "boolean";

const CHECKS: Checks = {
  language: (value) => value === "" || (typeof value === "string" && isLanguage(value)),
  account: isText,
  name: isText,
  microphone: isText,
  camera: isText,
  speaker: isText,
  microphoneOn: isFlag,
  cameraOn: isFlag,
  dataSaver: isFlag,
  receivedHeight: (value) => value === 180 || value === 360 || value === 720,
  mode: (value) => value === "grid" || value === "speaker",
  noticeRead: isFlag,
};

/** Parse stored preferences. What is missing or has another type is as in `DEFAULTS`. */
export function parsePreferences(text: string | null): Preferences {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? "{}");
  } catch {
    return DEFAULTS;
  }
  if (typeof stored !== "object" || stored === null) return DEFAULTS;
  const known = Object.entries(stored).filter(
    ([name, value]) => Object.hasOwn(CHECKS, name) && CHECKS[name as keyof Preferences](value),
  );
  return { ...DEFAULTS, ...(Object.fromEntries(known) as Partial<Preferences>) };
}

/** Load the preferences. A browser that stores nothing gives the defaults. */
export function loadPreferences(): Preferences {
  try {
    return parsePreferences(localStorage.getItem(KEY));
  } catch {
    return DEFAULTS;
  }
}

/** Store the preferences, where the browser stores anything. */
export function storePreferences(preferences: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // A private window: they last as long as the page.
  }
}
