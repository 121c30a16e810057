import assert from "node:assert/strict";
import { test } from "node:test";

import type { Problem } from "../../../tcclient/web/src/engine/meeting.js";
import { translator } from "../../../tcclient/web/src/page/language.js";
import { asProblem, problemText, reasonText } from "../../../tcclient/web/src/page/problems.js";

const t = translator("en");

test("a problem is one sentence, with the time to wait where it is known", () => {
  const problem = (retryAfter: number) => problemText(t, { code: "too_many_attempts", retryAfter, detail: "" });
  assert.match(problem(0), /^There were too many wrong attempts\.[^0-9]*$/);
  assert.match(problem(12.3), /Try again in 13 seconds\.$/);
  assert.match(problem(300), /Try again in 5 minutes\.$/);
});

test("the reason of a problem is its first sentence, in each language", () => {
  const reason = (language: "en" | "id", code: Problem["code"]) => reasonText(translator(language), { code });
  assert.equal(reason("en", "idle_timeout"), "Nothing was heard from you for too long.");
  assert.equal(reason("en", "connection_lost"), "The connection was lost.");
  assert.equal(reason("id", "unreachable"), "Server tidak dapat dihubungi.");
});

test("what is no problem becomes an internal one", () => {
  const problem = { code: "kicked", retryAfter: 0, detail: "" } as const;
  assert.equal(asProblem(problem), problem);
  assert.deepEqual(asProblem(new TypeError("bad")), {
    code: "internal",
    retryAfter: 0,
    detail: "TypeError: bad",
  });
});
