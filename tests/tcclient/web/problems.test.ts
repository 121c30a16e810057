import assert from "node:assert/strict";
import { test } from "node:test";

import { translator } from "../../../tcclient/web/src/page/language.js";
import { asProblem, problemText } from "../../../tcclient/web/src/page/problems.js";

const t = translator("en");

test("a problem is one sentence, with the time to wait where it is known", () => {
  const problem = (retryAfter: number) => problemText(t, { code: "too_many_attempts", retryAfter, detail: "" });
  assert.match(problem(0), /^There were too many wrong attempts\.[^0-9]*$/);
  assert.match(problem(12.3), /Try again in 13 seconds\.$/);
  assert.match(problem(300), /Try again in 5 minutes\.$/);
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
