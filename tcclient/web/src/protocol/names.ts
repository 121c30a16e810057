/**
 * Names of accounts, people and rooms: one spelling for comparison, one clean spelling to show.
 *
 * Folding is the caseless compatibility form of the Unicode standard (NFKC and case folding, section 3.13 D146). With it
 * `Ａdmin` and `admin` are one name. The rules are those of the server (PROTOCOL.md, section 4).
 */

/** The most characters of input. Longer input is not read: normalization makes eighteen characters of some. */
export const MAX_RAW_CHARACTERS = 1024;
/** The most characters of an account. It is typed at every login, and stands before each name in the roster. */
export const MAX_ACCOUNT_CHARACTERS = 32;
/** The most characters of a display name, so that it fits a line of the roster. */
export const MAX_DISPLAY_CHARACTERS = 64;
/** The most characters of a room name, so that it fits a line of a list. */
export const MAX_ROOM_CHARACTERS = 64;
/** The most combining marks on one letter. More of them cover the lines above and below. */
export const MAX_MARKS = 4;

/**
 * Characters that show nothing: default-ignorable ones of the Unicode standard, fillers, blanks, and the object replacement
 * that stands in place of a copied picture.
 */
const HIDDEN =
  /^[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\ufffc\u{13441}\u{13442}\u{16fe4}\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]$/u;
const UNSHOWABLE = /^[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]$/u;
const SPACE = /^[\t-\r\u001c-\u0020\u0085\p{Zs}\p{Zl}\p{Zp}]$/u;
const SPACES = /[\t-\r\u001c-\u0020\u0085\p{Zs}\p{Zl}\p{Zp}]+/u;
const MARK = /^\p{M}$/u;
const SURPLUS_MARKS = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, "gu");
const PLAIN = /^[ -~]*$/;
const LETTER = /^[\p{L}\p{M}\p{Nd}]$/u;
/** Signs that bind consonants: those of the canonical combining class 9. */
const VIRAMA =
  /^[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1715\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\u2d7f\ua806\ua82c\ua8c4\ua953\ua9c0\uaaf6\uabed\u{10a3f}\u{11046}\u{11070}\u{1107f}\u{110b9}\u{11133}\u{11134}\u{111c0}\u{11235}\u{112ea}\u{1134d}\u{11442}\u{114c2}\u{115bf}\u{1163f}\u{116b6}\u{1172b}\u{11839}\u{1193d}\u{1193e}\u{119e0}\u{11a34}\u{11a47}\u{11a99}\u{11c3f}\u{11d44}\u{11d45}\u{11d97}]$/u;
/** Scripts in which a joiner may stand between two letters, or a letter and a mark. */
const JOINED_SCRIPTS = [
  /^\p{scx=Devanagari}$/u,
  /^\p{scx=Bengali}$/u,
  /^\p{scx=Gurmukhi}$/u,
  /^\p{scx=Gujarati}$/u,
  /^\p{scx=Oriya}$/u,
  /^\p{scx=Tamil}$/u,
  /^\p{scx=Telugu}$/u,
  /^\p{scx=Kannada}$/u,
  /^\p{scx=Malayalam}$/u,
  /^\p{scx=Sinhala}$/u,
  /^\p{scx=Thai}$/u,
  /^\p{scx=Lao}$/u,
  /^\p{scx=Tibetan}$/u,
  /^\p{scx=Myanmar}$/u,
  /^\p{scx=Khmer}$/u,
  /^\p{scx=Mongolian}$/u,
  /^\p{scx=Balinese}$/u,
  /^\p{scx=Javanese}$/u,
  /^\p{scx=Sundanese}$/u,
  /^\p{scx=Batak}$/u,
  /^\p{scx=Tai_Tham}$/u,
  /^\p{scx=Arabic}$/u,
  /^\p{scx=Syriac}$/u,
];
/** Letters that are written from right to left: only marks join them here, the letters by the rule of cursive ones. */
const RIGHT_TO_LEFT = /^[\p{sc=Arabic}\p{sc=Hebrew}\p{sc=Syriac}\p{sc=Thaana}\p{sc=Nko}\p{sc=Adlam}\p{sc=Mandaic}]$/u;
const CURSIVE = /^(?=\p{L})[\p{sc=Adlam}\p{sc=Arabic}\p{sc=Mandaic}\p{sc=Mongolian}\p{sc=Nko}\p{sc=Syriac}]$/u;
const UNSPACED = /^[\p{sc=Khmer}\p{sc=Lao}\p{sc=Myanmar}\p{sc=Thai}]$/u;
const SYMBOL = /^[\p{So}\p{Sk}\p{Sm}\p{Cn}]$/u;
const FLAG = /\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{3,6}\u{e007f}/gu;

/** The hidden characters that may be needed, with a function of the characters and a position that tells whether one is. */
const RULES: readonly (readonly [RegExp, (text: readonly string[], position: number) => boolean])[] = [
  [/^[\ufe0e\ufe0f]$/u, isStyled],
  [/^[\u200c\u200d]$/u, joins],
  [/^\u200b$/u, separatesWords],
  [/^[\u180b-\u180f]$/u, (text, position) => /^(?=\p{L})\p{sc=Mongolian}$/u.test(text[position - 1] ?? "")],
  [
    /^[\ufe00-\ufe02\u{e0100}-\u{e01ef}]$/u,
    (text, position) => /^\p{Unified_Ideograph}$/u.test(text[position - 1] ?? ""),
  ],
  [/^[\u{e0020}-\u{e007f}]$/u, isInFlag],
];

/**
 * Return the one spelling of an account name, in which it is compared, stored and signed.
 *
 * 1 to 32 characters after folding: letters (of any script, with their marks), digits and `._-`, first and last a letter or
 * digit. Folding a folded name changes nothing. Throws `RangeError` with the reason.
 */
export function foldAccount(name: string): string {
  const characters = collapsed(folded(unstyled(bounded(name, "account name"))));
  if (characters.length < 1 || characters.length > MAX_ACCOUNT_CHARACTERS) {
    throw new RangeError(`an account name has 1 to ${MAX_ACCOUNT_CHARACTERS} characters`);
  }
  if (!characters.every((character) => LETTER.test(character) || "._-".includes(character))) {
    throw new RangeError("an account name has only letters, digits, dots, hyphens and underscores");
  }
  checkVisible(characters, "account name");
  const [first = "", last = ""] = [characters[0], characters.at(-1)];
  if (!LETTER.test(first) || !LETTER.test(last) || MARK.test(first)) {
    throw new RangeError("an account name begins and ends with a letter or a digit");
  }
  return characters.join("");
}

/**
 * Return the spelling of a name that is shown: NFKC, trimmed, with one space for each run of white space.
 *
 * It has 1 to 64 characters. Invisible characters at both ends are dropped. Control, bidirectional and invisible characters
 * are refused, but for the joiners and selectors that a script or an emoji needs. The name has to show something. Cleaning a
 * clean name changes nothing. Throws `RangeError` with the reason.
 */
export function cleanDisplay(name: string): string {
  const characters = collapsed(unstyled(bounded(name, "display name")).normalize("NFKC"));
  checkVisible(characters, "display name");
  if (characters.length < 1 || characters.length > MAX_DISPLAY_CHARACTERS) {
    throw new RangeError(`a display name has 1 to ${MAX_DISPLAY_CHARACTERS} characters`);
  }
  return characters.join("");
}

/**
 * Return the one spelling of a room name, by which rooms are found.
 *
 * 1 to 64 characters of any script, emoji included, no `/`, control or invisible characters. Folding a folded name changes
 * nothing. Throws `RangeError` with the reason.
 */
export function foldRoom(name: string): string {
  const characters = collapsed(folded(unstyled(bounded(name, "room name"))));
  checkVisible(characters, "room name");
  if (characters.length < 1 || characters.length > MAX_ROOM_CHARACTERS) {
    throw new RangeError(`a room name has 1 to ${MAX_ROOM_CHARACTERS} characters`);
  }
  if (characters.includes("/")) throw new RangeError("a room name has no slash");
  return characters.join("");
}

/** Tell whether a text has only characters that show something. */
export function shows(text: string): boolean {
  return [...text].every((character) => !HIDDEN.test(character) && !UNSHOWABLE.test(character));
}

/**
 * Return a name of somebody else so that it can stand in a sentence. A clean one is shown as it is.
 *
 * An honest server tells of no others. Of those each character that hides, or changes how the rest reads, becomes U+FFFD.
 */
export function visibleName(name: string): string {
  if (PLAIN.test(name)) return name;
  try {
    if (cleanDisplay(name) === name) return name;
  } catch {
    // It is not clean.
  }
  const characters = [...name].map((character) =>
    HIDDEN.test(character) || UNSHOWABLE.test(character) ? "\ufffd" : character,
  );
  return characters.join("").replace(SURPLUS_MARKS, "$1");
}

function bounded(text: string, what: string): string {
  if (text.length > 2 * MAX_RAW_CHARACTERS || [...text].length > MAX_RAW_CHARACTERS) {
    throw new RangeError(`the ${what} is too long`);
  }
  return text;
}

/** Return a text in NFKC and case-folded, until neither changes it (at most three rounds for any character). */
function folded(text: string): string {
  for (;;) {
    const next = [...text.normalize("NFKC")].map(caseFolded).join("").normalize("NFKC");
    if (next === text) return text;
    text = next;
  }
}

/**
 * Return the full case folding of a character.
 *
 * JavaScript has none, but this composition is it, except for the dotless i, which stays, and for Cherokee, whose letters fold
 * to the older ones, the capitals.
 */
function caseFolded(character: string): string {
  if (character === "ı") return character;
  if (/^\p{sc=Cherokee}$/u.test(character)) return character.toUpperCase();
  return [...character.toLowerCase().toUpperCase()].map((one) => one.toLowerCase()).join("");
}

/** Return a text without emoji and text styles behind characters that NFKC replaces, such as U+2122. */
function unstyled(text: string): string {
  return text.replace(/(.)[\ufe0e\ufe0f]/gsu, (pair, before: string) =>
    before.normalize("NFKC") === before ? pair : before,
  );
}

/**
 * Return the characters with one space for each run of white space, and without space and hidden ones at both ends.
 *
 * Keyboards and messengers put marks of direction and byte order around a text. Nobody sees them, so nobody removes them.
 */
function collapsed(text: string): string[] {
  let characters = [...text];
  const start = characters.findIndex((character) => !SPACE.test(character) && !HIDDEN.test(character));
  characters = start < 0 ? [] : characters.slice(start);
  while (isRemovable(characters)) characters.pop();
  return [...characters.join("").split(SPACES).filter(Boolean).join(" ")];
}

/** Tell whether the last character is a space, or a hidden one that is not needed. */
function isRemovable(characters: readonly string[]): boolean {
  const last = characters.at(-1);
  if (last === undefined) return false;
  return SPACE.test(last) || (HIDDEN.test(last) && !isNeeded(characters, characters.length - 1));
}

/** Tell whether the hidden character at `position` changes what is shown. Scripts and emoji need some of them. */
function isNeeded(text: readonly string[], position: number): boolean {
  const rule = RULES.find(([characters]) => characters.test(text[position] ?? ""));
  return rule !== undefined && position > 0 && rule[1](text, position);
}

/** Tell whether an emoji or text style stands behind a symbol, or in a keycap. */
function isStyled(text: readonly string[], position: number): boolean {
  const before = text[position - 1] ?? "";
  return isSymbol(before) || "0123456789#*\u3030".includes(before);
}

/**
 * Tell whether a joiner stands between symbols, in a conjunct of an Indic script, or between letters that join.
 *
 * The rules are those of RFC 5892, appendix A. Two uses are allowed besides: a joiner before a sign (Bengali ya-phalaa,
 * Marathi candra a), and the zero-width joiner at the end of a word (Malayalam chillu).
 */
function joins(text: readonly string[], position: number): boolean {
  const [before = "", after = ""] = [text[position - 1], text[position + 1]];
  const isZeroWidthJoiner = text[position] === "\u200d";
  if (isZeroWidthJoiner && isSymbol(after) && (isSymbol(before) || /^[\ufe0e\ufe0f]$/u.test(before))) return true;
  const virama = VIRAMA.test(before);
  if (!LETTER.test(after)) return virama && isZeroWidthJoiner;
  if (shareScript(before, after) && (/^\p{Mn}$/u.test(after) || !RIGHT_TO_LEFT.test(after))) {
    return virama || MARK.test(after);
  }
  let letter = position - 1;
  while (letter > 0 && /^\p{Mn}$/u.test(text[letter] ?? "")) letter--;
  return CURSIVE.test(after) && (CURSIVE.test(text[letter] ?? "") || /^\p{Nd}$/u.test(text[letter] ?? ""));
}

/** Tell whether a zero-width space stands between words of a script that is written without spaces. */
function separatesWords(text: readonly string[], position: number): boolean {
  return UNSPACED.test(text[position - 1] ?? "") && UNSPACED.test(text[position + 1] ?? "");
}

/** Tell whether a tag belongs to the flag of a region: the black flag, tags, and their end. */
function isInFlag(text: readonly string[], position: number): boolean {
  return [...text.join("").matchAll(FLAG)].some((flag) => {
    const start = [...text.join("").slice(0, flag.index)].length;
    return start < position && position < start + [...flag[0]].length;
  });
}

function shareScript(a: string, b: string): boolean {
  return JOINED_SCRIPTS.some((script) => script.test(a) && script.test(b));
}

/** Tell whether an emoji style may stand behind a character: a symbol, a skin tone, or an unknown one. */
function isSymbol(character: string): boolean {
  return character > "\u007f" && SYMBOL.test(character);
}

/**
 * Throw `RangeError` for characters that cannot be seen or that change how others are shown.
 *
 * Throw it also for a text in which nothing can be seen: marks need a letter to stand on.
 */
function checkVisible(text: readonly string[], what: string): void {
  let marks = 0;
  text.forEach((character, position) => {
    const isHidden = HIDDEN.test(character);
    if (isHidden && isNeeded(text, position)) return;
    const code = character.codePointAt(0) ?? 0;
    if (isHidden || UNSHOWABLE.test(character) || (code & 0xfffe) === 0xfffe) {
      const shown = code.toString(16).toUpperCase().padStart(4, "0");
      throw new RangeError(`the ${what} has a control or invisible character (U+${shown})`);
    }
    marks = /^[\p{Mn}\p{Me}]$/u.test(character) ? marks + 1 : 0;
    if (marks > MAX_MARKS) throw new RangeError(`the ${what} has too many combining marks on one letter`);
  });
  if (text.length > 0 && text.every((character) => /^[\p{M}\p{Z}]$/u.test(character) || HIDDEN.test(character))) {
    throw new RangeError(`the ${what} shows nothing`);
  }
}
