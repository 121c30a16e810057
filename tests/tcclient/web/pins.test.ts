import assert from "node:assert/strict";
import { test } from "node:test";

import { DevicePins, MAX_ACCOUNTS, MAX_DEVICES } from "../../../tcclient/web/src/core/membership/pins.js";

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);

test("an account is met first, then known, and another device of it is news once", () => {
  const pins = new DevicePins([{ account: "dinkes", deviceKey: key(1) }]);
  assert.equal(pins.meet("dinkes", key(1)), "known");
  assert.equal(pins.meet("dinkes", key(2)), "new");
  assert.equal(pins.meet("dinkes", key(2)), "known");
  assert.equal(pins.meet("bappeda", key(2)), "first");
  assert.deepEqual(
    pins.unsaved().map((pin) => `${pin.account} ${pin.deviceKey[0]}`),
    ["dinkes 2", "bappeda 2"],
  );
  assert.deepEqual(pins.unsaved(), []);
});

test("the devices of an account are bounded, and the oldest goes first", () => {
  const pins = new DevicePins([]);
  for (let n = 0; n <= MAX_DEVICES; n++) pins.meet("dinkes", key(n));
  assert.equal(pins.meet("dinkes", key(1)), "known");
  assert.equal(pins.meet("dinkes", key(0)), "new");
});

test("accounts are bounded, and none is forgotten for another", () => {
  const pins = new DevicePins([]);
  for (let n = 0; n < MAX_ACCOUNTS; n++) pins.meet(`account${n}`, key(0));
  assert.equal(pins.isFull, false);
  assert.equal(pins.meet("one more", key(0)), "first");
  assert.equal(pins.isFull, true);
  assert.equal(pins.meet("account0", key(1)), "new");
});
