import assert from "node:assert/strict";
import { test } from "node:test";

import { textParts } from "../../../tcclient/web/src/page/links.js";

const addresses = (text: string) => textParts(text).flatMap(({ href }) => href ?? []);

test("the parts of a text are the text", () => {
  for (const text of [
    "",
    "no address",
    "a https://b.example/c d",
    "https://a.example",
    "x https://a.example. http://b.example!",
  ]) {
    const parts = textParts(text);
    assert.equal(parts.map((part) => part.text).join(""), text);
    for (const { text: shown, href } of parts) assert.ok(href === undefined || href === shown, "it goes where it says");
  }
});

test("an address ends where its sentence goes on", () => {
  const address = "https://dinas.example/rapat/bahan.pdf?v=2#hal-3";
  for (const text of [address, `Lihat ${address}.`, `(${address})`, `“${address}”`, `${address}, ${address}!`]) {
    assert.deepEqual(new Set(addresses(text)), new Set([address]), text);
  }
  const bracket = "https://id.example/wiki/Rapat_(acara)";
  assert.deepEqual(addresses(`(lihat ${bracket}).`), [bracket]);
});

test("only addresses of the web that are what they look like can be followed", () => {
  const others = [
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example",
    "xhttps://a.example",
    "https://",
    "https://[1",
    "https://bank.example@evil.example/",
    "https://bank.example:443@evil.example/",
    "dinas.example",
  ];
  for (const text of others) assert.deepEqual(addresses(text), [], text);
  assert.deepEqual(
    addresses("https://a.example/\u202efdp.exe"),
    ["https://a.example/"],
    "nothing turns the text around",
  );
});
