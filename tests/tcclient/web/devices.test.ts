import assert from "node:assert/strict";
import { test } from "node:test";

import { sortDevices, speakerInstead } from "../../../tcclient/web/src/page/devices.js";
import { loudness } from "../../../tcclient/web/src/page/directives.js";

test("devices are sorted by kind, without those that cannot be chosen", () => {
  const devices = sortDevices([
    { deviceId: "default", kind: "audioinput", label: "Default" },
    { deviceId: "m", kind: "audioinput", label: "Headset" },
    { deviceId: "", kind: "videoinput", label: "" },
    { deviceId: "s", kind: "audiooutput", label: "Headset" },
  ]);
  assert.deepEqual(devices, {
    microphone: [{ id: "m", label: "Headset" }],
    camera: [],
    speaker: [{ id: "s", label: "Headset" }],
  });
});

test("the meter shows silence as nothing and full scale as all", () => {
  assert.equal(loudness(new Float32Array(64)), 0);
  assert.equal(loudness(new Float32Array(64).fill(1)), 1);
  const half = loudness(new Float32Array(64).fill(10 ** (-33 / 20)));
  assert.ok(Math.abs(half - 0.5) < 0.01);
});

test("the default plays while the chosen speaker is unplugged", () => {
  const listed = (...ids: string[]) => ids.map((id) => ({ id, label: id }));
  const [none, one, both] = [listed(), listed("a"), listed("a", "b")];
  assert.equal(speakerInstead(both, one, "b"), "");
  assert.equal(speakerInstead(one, both, "b"), "b");
  assert.equal(speakerInstead(both, one, "a"), undefined);
  assert.equal(speakerInstead(both, one, ""), undefined);
  assert.equal(speakerInstead(none, both, "b"), undefined, "it is chosen at the start");
});
