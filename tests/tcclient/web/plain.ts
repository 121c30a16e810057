/** Values as the vectors of PROTOCOL.md have them. */

import { hex } from "../../../tcclient/web/src/protocol/bytes.js";

/** Return a value with names as they are on the wire, and bytes as hexadecimal digits. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const wire = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [wire(key), plain(field)]));
}

/** Return the same without some of its fields. */
export function without(value: object, ...keys: readonly string[]): unknown {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}
