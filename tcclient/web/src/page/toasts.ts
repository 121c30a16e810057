/** Messages that are told once and go away. */

import type { AskedSource, Happening, Participant } from "../engine/meeting.js";
import type { Key, Translate } from "./language.js";
import { fullName } from "./participant.js";

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "calm" | "warning";
  /** What can be done about it, with one button. */
  readonly offer: { readonly label: Key; readonly action: "people" | `${AskedSource}_${"on" | "off"}` } | undefined;
  /** Seconds of the clock of the page at which it goes. */
  readonly until: number;
}

/** The most messages at a time; the oldest goes first. More would cover the pictures. */
export const MAX_TOASTS = 3;
/** Seconds that a message stays. */
export const CALM_SECONDS = 5;
/** Seconds that a warning stays: it takes longer to read, and may be acted upon. */
export const WARNING_SECONDS = 15;

const OFFERED = {
  microphone: { on: "bar.unmute", off: "bar.mute" },
  camera: { on: "bar.start_camera", off: "bar.stop_camera" },
} as const;

type Told = Pick<Toast, "text" | "tone" | "offer">;

/** Return what is told of a happening. */
export function tellHappening(happening: Happening, t: Translate): Told {
  const calm = (text: string): Told => ({ text, tone: "calm", offer: undefined });
  switch (happening.type) {
    case "entered":
      return calm(t("happening.entered", { name: fullName(happening.participant) }));
    case "left":
      return calm(t("happening.left", { name: fullName(happening.participant) }));
    case "new_device":
      return {
        text: t("happening.new_device", { name: fullName(happening.participant) }),
        tone: "warning",
        offer: { label: "bar.people", action: "people" },
      };
    case "asked": {
      const { by, source, on } = happening;
      const wish = on ? "on" : "off";
      return {
        text: t(`happening.asked.${source}_${wish}`, { name: fullName(by) }),
        tone: "warning",
        offer: { label: OFFERED[source][wish], action: `${source}_${wish}` },
      };
    }
    case "held_muted":
    case "hold_ended":
      return { text: t(`happening.${happening.type}.${happening.source}`), tone: "warning", offer: undefined };
    case "device_changed":
      return {
        text: t("happening.device_changed", { device: happening.label || t("device.default") }),
        tone: "warning",
        offer: undefined,
      };
    case "notice":
      return { text: t("happening.notice", { text: happening.text }), tone: "warning", offer: undefined };
  }
}

/** Add a message; `now` is in seconds. */
export function addToast(toasts: readonly Toast[], told: Told, id: number, now: number): readonly Toast[] {
  const seconds = told.tone === "warning" ? WARNING_SECONDS : CALM_SECONDS;
  return [...toasts, { ...told, id, until: now + seconds }].slice(-MAX_TOASTS);
}

/** Return the messages that are still to be shown; the same value where none has to go. */
export function dropOldToasts(toasts: readonly Toast[], now: number): readonly Toast[] {
  const left = toasts.filter(({ until }) => until > now);
  return left.length === toasts.length ? toasts : left;
}

/** Return what is told of our role and our rights between two states; nothing before we have one, and in another seat. */
export function changedRole(
  before: Participant | undefined,
  after: Participant | undefined,
  t: Translate,
): Told | undefined {
  if (before === undefined || before.id !== after?.id) return undefined;
  if (before.role === after.role && before.permissions === after.permissions) return undefined;
  const text =
    before.role === after.role
      ? t("happening.rights_changed")
      : t("happening.role_changed", { role: t(`role.${after.role}`) });
  return { text, tone: "warning", offer: undefined };
}

/** Return what is told of hands that were raised between two states of the same meeting. */
export function raisedHands(
  before: readonly { readonly id: number; readonly hand: number }[],
  after: readonly { readonly id: number; readonly hand: number; readonly name: string; readonly agency: string }[],
  t: Translate,
): readonly Told[] {
  const down = new Map(before.map(({ id, hand }) => [id, hand === 0]));
  return after
    .filter(({ id, hand }) => hand > 0 && down.get(id) === true)
    .map((one) => ({ text: t("happening.raised_hand", { name: fullName(one) }), tone: "calm", offer: undefined }));
}
