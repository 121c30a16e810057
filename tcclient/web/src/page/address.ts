/** What the address of the page says: `https://HOST/ROOM#fp=FINGERPRINT&e2ee=off`. */

export interface Invitation {
  /** Name of the room; empty where the address names none. */
  readonly room: string;
  /** Fingerprint of the server, as text; empty where the address has none. */
  readonly fingerprint: string;
  /** Whether the room is end-to-end encrypted. A word that is not known leaves it on: then such a link does not work. */
  readonly e2ee: boolean;
  /** The words behind `#` that this page does not know, or that stand there twice, as they are written. */
  readonly unknown: readonly string[];
}

/** Read an address. What cannot be decoded counts as not there. */
export function readAddress(url: URL): Invitation {
  let room = "";
  try {
    room = decodeURIComponent(url.pathname.replace(/^\/+|\/+$/g, ""));
  } catch {
    // A broken escape: the person types the name of the room.
  }
  const words = new URLSearchParams(url.hash.slice(1));
  const unknown = [...words]
    .filter(([name, value], at, all) => !isKnown(name, value) || all.findIndex(([first]) => first === name) < at)
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  return { room, fingerprint: words.get("fp") ?? "", e2ee: words.get("e2ee") !== "off", unknown };
}

function isKnown(name: string, value: string): boolean {
  return name === "fp" || (name === "e2ee" && (value === "on" || value === "off"));
}

/** Return the address with another room; all else that it says stays. */
export function withRoom(url: URL, room: string): URL {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(room)}`;
  return changed;
}
