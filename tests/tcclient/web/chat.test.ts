import assert from "node:assert/strict";
import { test } from "node:test";

import type { ChatLine } from "../../../tcclient/web/src/engine/meeting.js";
import { countUnread, moment } from "../../../tcclient/web/src/page/chat.js";

const line = (id: string, own = false): ChatLine => ({
  id,
  from: 1,
  label: "Bappeda / Siti",
  to: undefined,
  own,
  text: id,
  at: 0,
  state: "sent",
});

test("texts of others after the last one that was seen are unread", () => {
  const chat = [line("a"), line("b"), line("c", true), line("d")];
  assert.equal(countUnread(chat, "a"), 2);
  assert.equal(countUnread(chat, "d"), 0);
  assert.equal(countUnread([], ""), 0);
});

test("where the last one that was seen is no longer kept, all are unread", () => {
  assert.equal(countUnread([line("x"), line("y", true)], "gone"), 1);
});

test("any time that a text claims can be shown", () => {
  assert.equal(moment(Date.UTC(2026, 0, 5, 9, 30), "en").iso, "2026-01-05T09:30:00.000Z");
  for (const at of [0, 2 ** 53, 8.64e15, 8.64e15 + 1, 2 ** 63, 2 ** 64]) {
    const { iso, shown } = moment(at, "id");
    assert.match(iso, /^(\+\d\d)?\d{4}-.*Z$/);
    assert.match(shown, /^\d\d.\d\d$/);
  }
});
