/** Addresses of the web in texts of others. */

/** A part of a text; `href` is there where it is an address to follow. */
export interface TextPart {
  readonly text: string;
  readonly href: string | undefined;
}

/** Without characters that turn what is written around (Unicode, category C). */
const ADDRESS = /\bhttps?:\/\/[^\s\p{C}<>"“”]+/giu;
/** What stands behind an address in a sentence, rather than at its end. */
const AFTER = /[.,;:!?'’»)\]}]+$/u;

/** Cut a text into addresses and what is between them. The parts together are the text. */
export function textParts(text: string): readonly TextPart[] {
  const parts: TextPart[] = [];
  let done = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(found);
    if (!isPlain(address)) continue;
    if (index > done) parts.push({ text: text.slice(done, index), href: undefined });
    parts.push({ text: address, href: address });
    done = index + address.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done), href: undefined });
  return parts;
}

/** Leave out what ends the sentence; a closing bracket stays where one was opened in the address. */
function withoutEnd(found: string): string {
  const end = AFTER.exec(found)?.[0] ?? "";
  const address = found.slice(0, found.length - end.length);
  return end.startsWith(")") && address.includes("(") ? `${address})` : address;
}

/** A name before the host, as in `https://bank.example@evil.example`, makes an address look like another one. */
function isPlain(address: string): boolean {
  try {
    const { username, password } = new URL(address);
    return username === "" && password === "";
  } catch {
    return false;
  }
}
