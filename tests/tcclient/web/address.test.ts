import assert from "node:assert/strict";
import { test } from "node:test";

import { readAddress, withRoom } from "../../../tcclient/web/src/page/address.js";

test("an address names a room and the fingerprint of the server", () => {
  const read = (text: string) => readAddress(new URL(text));
  assert.deepEqual(read("https://conference.example/rapat#fp=ABCD-2345"), {
    room: "rapat",
    fingerprint: "ABCD-2345",
    e2ee: true,
    unknown: [],
  });
  assert.deepEqual(read("https://conference.example:7433/"), {
    room: "",
    fingerprint: "",
    e2ee: true,
    unknown: [],
  });
  assert.deepEqual(read("https://conference.example/rapat%20besar/"), {
    room: "rapat besar",
    fingerprint: "",
    e2ee: true,
    unknown: [],
  });
  assert.deepEqual(read("https://conference.example/%E0%A4%A"), {
    room: "",
    fingerprint: "",
    e2ee: true,
    unknown: [],
  });
});

test("only a link that says so leads to a room without end-to-end encryption", () => {
  const read = (words: string) => readAddress(new URL(`https://conference.example/rapat#${words}`)).e2ee;
  assert.deepEqual(["", "fp=ABCD-2345", "e2ee=on", "e2ee=of", "e2ee"].map(read), [true, true, true, true, true]);
  assert.deepEqual(["e2ee=off", "fp=ABCD-2345&e2ee=off"].map(read), [false, false]);
});

test("words that are not known, or stand twice, are told", () => {
  const read = (words: string) => readAddress(new URL(`https://conference.example/rapat#${words}`)).unknown;
  assert.deepEqual(["", "fp=ABCD-2345&e2ee=off", "e2ee=on"].map(read), [[], [], []]);
  assert.deepEqual(read("fp=ABCD-2345&foo&bar=1%202"), ["foo", "bar=1 2"]);
  assert.deepEqual(read("e2ee=of&fp=ABCD-2345&fp=2345-ABCD"), ["e2ee=of", "fp=2345-ABCD"]);
});

test("an address with another room says all else as before", () => {
  const url = new URL("https://conference.example:7433/?processing=off#fp=ABCD-2345");
  const changed = withRoom(url, "rapat besar/2?#");
  assert.equal(changed.href, "https://conference.example:7433/rapat%20besar%2F2%3F%23?processing=off#fp=ABCD-2345");
  assert.deepEqual(readAddress(changed), {
    room: "rapat besar/2?#",
    fingerprint: "ABCD-2345",
    e2ee: true,
    unknown: [],
  });
});
