import assert from "node:assert/strict";
import { test } from "node:test";

import {
  colourOf,
  handsFirst,
  initials,
  mayChair,
  mayPublish,
  mayWrite,
} from "../../../tcclient/web/src/page/person.js";
import { participant } from "./meeting-state.js";

test("initials are the first letters of the first and the last word", () => {
  assert.equal(initials("Siti Rahmawati"), "SR");
  assert.equal(initials("dr. Budi  Santoso, M.Kes"), "DK");
  assert.equal(initials("Ahmad"), "A");
  assert.equal(initials("𝐀li 張"), "𝐀張");
  assert.equal(initials("—"), "?");
});

test("the colour of a name is one of six, and always the same", () => {
  const colours = new Set(Array.from({ length: 200 }, (_, index) => colourOf(`name ${index}`)));
  assert.deepEqual([...colours].sort(), [0, 1, 2, 3, 4, 5]);
  assert.equal(colourOf("Siti"), colourOf("Siti"));
});

test("raised hands come first, the earliest at the top", () => {
  const list = [participant(1), participant(2, { hand: 30 }), participant(3, { hand: 20 }), participant(4)];
  assert.deepEqual(
    handsFirst(list).map(({ id }) => id),
    [3, 2, 1, 4],
  );
});

test("each role may do what the server lets it do", () => {
  const may = (role: Parameters<typeof mayChair>[0]) => [mayChair(role), mayPublish(role), mayWrite(role)];
  assert.deepEqual(may("chair"), [true, true, true]);
  assert.deepEqual(may("speaker"), [false, true, true]);
  assert.deepEqual(may("listener"), [false, false, true]);
  assert.deepEqual(may("observer"), [false, false, false]);
  assert.deepEqual(may(undefined), [false, false, false]);
});
