/** What the page says of a participant. */

import type { Participant } from "../engine/meeting.js";
import type { Role } from "../protocol/messages.js";

/** The roles that a chair can give, the strongest first. */
export const GIVEN_ROLES = ["chair", "speaker", "listener", "observer"] as const satisfies readonly Role[];

/** The name and the agency in one text. */
export const fullName = ({ name, agency }: Pick<Participant, "name" | "agency">): string =>
  agency === "" ? name : `${name} (${agency})`;

/** Return one or two letters that stand for a name where there is no picture. */
export function initials(name: string): string {
  const words = name.split(/[\s.,/()-]+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase() || "?";
}

/** Return a number from 0 to 5 for the colour behind initials; the same name has the same. */
export function colourOf(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 6007;
  return sum % 6;
}

/** Return those who have raised their hands, in their order. */
export function handsUp(participants: readonly Participant[]): readonly Participant[] {
  return participants.filter(({ hand }) => hand > 0).sort((one, other) => one.hand - other.hand);
}

/** Return participants in the order of the list: raised hands in their order, then as they came. */
export function handsFirst(participants: readonly Participant[]): readonly Participant[] {
  return [...handsUp(participants), ...participants.filter(({ hand }) => hand === 0)];
}
