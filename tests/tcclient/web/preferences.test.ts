import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, parsePreferences } from "../../../tcclient/web/src/page/preferences.js";

test("preferences that are missing, of another type or unknown are as at the beginning", () => {
  assert.deepEqual(parsePreferences(null), DEFAULTS);
  assert.deepEqual(parsePreferences("{"), DEFAULTS);
  assert.deepEqual(parsePreferences("[1]"), DEFAULTS);
  assert.deepEqual(parsePreferences("null"), DEFAULTS);
  const stored = {
    name: "Siti",
    language: "xx",
    receivedHeight: 500,
    dataSaver: true,
    mode: 1,
    other: 2,
    camera: "x".repeat(300),
  };
  assert.deepEqual(parsePreferences(JSON.stringify(stored)), {
    ...DEFAULTS,
    name: "Siti",
    dataSaver: true,
  });
  assert.deepEqual(parsePreferences(JSON.stringify({ ...DEFAULTS, mode: "speaker" })), {
    ...DEFAULTS,
    mode: "speaker",
  });
});

test("the password has no place in the preferences", () => {
  assert.equal(
    Object.keys(DEFAULTS).some((name) => /pass/i.test(name)),
    false,
  );
  assert.equal("password" in parsePreferences('{"password": "secret"}'), false);
});
