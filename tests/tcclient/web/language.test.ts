import assert from "node:assert/strict";
import { test } from "node:test";

import en from "../../../tcclient/web/src/page/catalogues/en.json";
import id from "../../../tcclient/web/src/page/catalogues/id.json";
import { pickLanguage, translator } from "../../../tcclient/web/src/page/language.js";

const placeholders = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test("the catalogues hold the same keys with the same placeholders", () => {
  const english: Record<string, string> = en;
  const indonesian: Record<string, string> = id;
  assert.deepEqual(Object.keys(indonesian).sort(), Object.keys(english).sort());
  for (const [key, text] of Object.entries(english)) {
    assert.notEqual(text, "", key);
    assert.deepEqual(placeholders(indonesian[key] ?? ""), placeholders(text), key);
  }
});

test("the language is the chosen one, then the first that the browser prefers, then English", () => {
  assert.equal(pickLanguage("en", ["id-ID"]), "en");
  assert.equal(pickLanguage("", ["id-ID", "en-US"]), "id");
  assert.equal(pickLanguage("", ["jv", "in"]), "id");
  assert.equal(pickLanguage("", ["nl-NL", "en-GB", "id"]), "en");
  assert.equal(pickLanguage("xx", []), "en");
  assert.equal(pickLanguage("toString", []), "en");
});

test("a text comes in its language", () => {
  assert.equal(translator("id")("page.title"), "Rapat");
  assert.equal(translator("en")("page.title"), "Meeting");
});
