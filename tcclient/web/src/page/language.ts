/** The words of the page, in the languages that it speaks. */

import en from "./catalogues/en.json";
import id from "./catalogues/id.json";

export type Key = keyof typeof en;
export type Catalogue = Readonly<Record<Key, string>>;

/** The languages by their codes (BCP 47), each with its own name for itself. */
export const LANGUAGES = { id: "Bahasa Indonesia", en: "English" } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGUES: Readonly<Record<Language, Catalogue>> = { en, id };

/** Tell whether `code` is that of a language of the page. */
export function isLanguage(code: string): code is Language {
  return Object.hasOwn(LANGUAGES, code);
}

/**
 * Choose the language: `chosen` by the person, else the first of those `preferred` by the browser (BCP 47, the best
 * first) that the page speaks, else English. `in` is what old systems call Indonesian.
 */
export function pickLanguage(chosen: string, preferred: readonly string[]): Language {
  if (isLanguage(chosen)) return chosen;
  for (const tag of preferred) {
    const primary = tag.toLowerCase().split("-")[0] ?? "";
    const code = primary === "in" ? "id" : primary;
    if (isLanguage(code)) return code;
  }
  return "en";
}

/** Gives the text of a key, with the values of its placeholders. */
export type Translate = (key: Key, values?: Readonly<Record<string, string | number>>) => string;

/** Return what translates into `language`. A placeholder is written `{name}`. */
export function translator(language: Language): Translate {
  const catalogue = CATALOGUES[language];
  return (key, values = {}) =>
    catalogue[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
