import assert from "node:assert/strict";
import { test } from "node:test";

import type { Problem } from "../../../tcclient/web/src/engine/meeting.js";
import { translator } from "../../../tcclient/web/src/page/language.js";
import { ALONE_ATTEMPTS, asProblem, problemText, returningText } from "../../../tcclient/web/src/page/problems.js";

const t = translator("en");

test("a problem is one sentence, with the time to wait where it is known", () => {
  const problem = (retryAfter: number) => problemText(t, { code: "too_many_attempts", retryAfter, detail: "" });
  assert.match(problem(0), /^There were too many wrong attempts\.[^0-9]*$/);
  assert.match(problem(12.3), /Try again in 13 seconds\.$/);
  assert.match(problem(300), /Try again in 5 minutes\.$/);
});

test("while the page comes back, the reason is told in each language, and what to do when it takes long", () => {
  const said = (language: "en" | "id", code: Problem["code"], attempt = 1) =>
    returningText(translator(language), { reason: { code, retryAfter: 0, detail: "" }, attempt });
  const [en, id] = ["Coming back by itself, attempt 1…", "Kembali secara otomatis, percobaan ke-1…"];
  assert.equal(said("en", "idle_timeout"), `Nothing was heard from you for too long. ${en}`);
  assert.equal(said("en", "connection_lost"), `The connection was lost. ${en}`);
  assert.equal(said("id", "unreachable"), `Server tidak dapat dihubungi. ${id}`);
  assert.match(said("en", "unreachable", ALONE_ATTEMPTS + 1), /reload this one\. Coming back by itself/);
  assert.match(said("en", "server_full", ALONE_ATTEMPTS + 1), /^The server is full\. Coming back by itself/);
});

test("what is no problem becomes an internal one", () => {
  const problem = { code: "kicked", retryAfter: 0, detail: "" } as const;
  assert.equal(asProblem(problem), problem);
  assert.deepEqual(asProblem(new TypeError("bad")), {
    code: "internal",
    retryAfter: 0,
    detail: "TypeError: bad",
  });
  const refused = problemText(t, asProblem(new DOMException("", "NotFoundError")));
  assert.match(refused, /^The browser did not do that/, "it is no reason to join again");
});
