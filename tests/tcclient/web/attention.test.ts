import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Attention, GLANCE_MS } from "../../../tcclient/web/src/page/attention.js";

/** What Node.js has of a document: events, and whether it is hidden. */
class Sight extends EventTarget {
  constructor(public hidden: boolean) {
    super();
  }

  turn(hidden: boolean): void {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

function watched(hidden: boolean) {
  const sight = new Sight(hidden);
  const told: boolean[] = [];
  const attention: Attention = new Attention(sight as unknown as Document, () => told.push(attention.isSeen));
  return { sight, told };
}

test("a page that is hidden for a while is not seen, and is seen at once when it is shown", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { sight, told } = watched(false);
  sight.turn(true);
  mock.timers.tick(GLANCE_MS - 1);
  assert.deepEqual(told, []);
  mock.timers.tick(1);
  assert.deepEqual(told, [false]);
  sight.turn(false);
  assert.deepEqual(told, [false, true]);
  mock.timers.reset();
});

test("short looks elsewhere do not add up", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { sight, told } = watched(false);
  for (let look = 0; look < 5; look++) {
    sight.turn(true);
    mock.timers.tick(GLANCE_MS - 1);
    sight.turn(false);
    mock.timers.tick(1);
  }
  assert.deepEqual(told, []);
  mock.timers.reset();
});

test("a page that is opened behind others is not seen", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { told } = watched(true);
  mock.timers.tick(GLANCE_MS);
  assert.deepEqual(told, [false]);
  mock.timers.reset();
});
