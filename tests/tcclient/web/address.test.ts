import assert from "node:assert/strict";
import { test } from "node:test";

import {
  readAddress,
  writeAddress,
} from "../../../tcclient/web/src/page/address.js";

test("an address names a room and the fingerprint of the server", () => {
  const read = (text: string) => readAddress(new URL(text));
  assert.deepEqual(read("https://conference.example/rapat#fp=ABCD-2345"), {
    room: "rapat",
    fingerprint: "ABCD-2345",
  });
  assert.deepEqual(read("https://conference.example:7433/"), {
    room: "",
    fingerprint: "",
  });
  assert.deepEqual(read("https://conference.example/rapat%20besar/"), {
    room: "rapat besar",
    fingerprint: "",
  });
  assert.deepEqual(read("https://conference.example/%E0%A4%A"), {
    room: "",
    fingerprint: "",
  });
});

test("an address that is written is read as it was", () => {
  for (const invitation of [
    { room: "rapat besar/2?#", fingerprint: "ABCD-2345" },
    { room: "balé", fingerprint: "" },
  ]) {
    assert.deepEqual(
      readAddress(
        new URL(writeAddress(invitation), "https://conference.example"),
      ),
      invitation,
    );
  }
});
