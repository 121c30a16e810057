/** Join links: `tc://HOST[:PORT]/ROOM[?fp=FINGERPRINT][&e2ee=off]`. */

import { formatFingerprint, parseFingerprint } from "./identity.js";
import { shows } from "./names.js";

/** Port of a server, where a link names none. */
export const DEFAULT_PORT = 7433;
/** The most characters of a host name in DNS (RFC 1035, section 2.3.4, without the last dot). */
const MAX_HOST_CHARACTERS = 253;
const LINK = /^tc:\/\/(?:\[([0-9a-f:.]+)\]|([^/?#@:[\]]+))(?::([0-9]+))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i;
const LABEL = /^[\p{L}\p{M}\p{N}_-]+$/u;

/** A join link: the server and its fingerprint, the room, and whether the room is end-to-end encrypted. */
export interface Link {
  /** A host name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly room: string;
  /** 20 bytes, or undefined where the link has none. */
  readonly fingerprint: Uint8Array | undefined;
  readonly e2ee: boolean;
}

export function formatLink({ host, port, room, fingerprint, e2ee }: Link): string {
  const bracketed = host.includes(":") ? `[${host}]` : host;
  const words = fingerprint === undefined ? [] : [`fp=${formatFingerprint(fingerprint)}`];
  if (!e2ee) words.push("e2ee=off");
  const escaped = encodeURIComponent(room).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const query = words.length > 0 ? `?${words.join("&")}` : "";
  return `tc://${bracketed}${port === DEFAULT_PORT ? "" : `:${port}`}/${escaped}${query}`;
}

/** Parse a join link. Throws `RangeError` that says what is wrong with it. */
export function parseLink(text: string): Link {
  const parts = LINK.exec(text.trim());
  if (parts === null) throw new RangeError("a link is tc://HOST/ROOM, without a user and a fragment");
  const [, address, name = "", port = String(DEFAULT_PORT), path = "", query = ""] = parts;
  if (address === undefined) checkHost(name);
  if (Number(port) < 1 || Number(port) > 0xffff) throw new RangeError(`${port} is not a port`);
  const { fingerprint, e2ee } = parseWords(query);
  return { host: (address ?? name).toLowerCase(), port: Number(port), room: unescaped(path), fingerprint, e2ee };
}

function parseWords(query: string): Pick<Link, "fingerprint" | "e2ee"> {
  const pairs =
    query === ""
      ? []
      : query.split("&").map((word): [string, string] => {
          const [name = "", value = ""] = word.split("=", 2);
          return [name, decodeURIComponent(value)];
        });
  const words = new Map(pairs);
  if (words.size !== pairs.length) throw new RangeError("a word occurs twice in the link");
  const [fingerprint, mode] = [words.get("fp"), words.get("e2ee") ?? "on"];
  if (mode !== "on" && mode !== "off") throw new RangeError("e2ee is on or off");
  const unknown = [...words.keys()].find((word) => word !== "fp" && word !== "e2ee");
  if (unknown !== undefined) throw new RangeError(`unknown word in the link: ${unknown}`);
  return { fingerprint: fingerprint === undefined ? undefined : parseFingerprint(fingerprint), e2ee: mode === "on" };
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RangeError("the link's room is not UTF-8");
  }
}

function checkHost(host: string): void {
  const labels = host.replace(/\.$/, "").split(".");
  if (host.length > MAX_HOST_CHARACTERS || !labels.every((label) => LABEL.test(label) && shows(label))) {
    throw new RangeError(
      `${host.slice(0, MAX_HOST_CHARACTERS)} is no host name: it has letters, digits, dots and hyphens`,
    );
  }
}
