import assert from "node:assert/strict";
import { test } from "node:test";

import {
  describe,
  keep,
  keepAll,
  RECENT_SPEAKERS,
  RecentSpeakers,
  REMEMBERED_VOLUMES,
  Volumes,
} from "../../../tcclient/web/src/engine/participant.js";
import { colourOf, handsFirst, initials } from "../../../tcclient/web/src/page/participant.js";
import { Permission, type Member } from "../../../tcclient/web/src/protocol/messages.js";
import { visibleName } from "../../../tcclient/web/src/protocol/names.js";
import { participant } from "./meeting-state.js";

const MEMBER: Member = {
  participant: 1,
  account: "dinkes",
  agency: "Dinas Kesehatan",
  name: "Siti",
  role: "speaker",
  deviceKey: new Uint8Array(32),
  boxKey: new Uint8Array(32),
  signedAt: 0n,
  signature: new Uint8Array(64),
  beaconStream: 1,
  permissions: 0,
  hand: 0n,
};
const NOTHING = {
  newDevices: new Set<number>(),
  silent: new Set<number>(),
  speaking: new Set<number>(),
  volumes: new Volumes(),
  qualities: new Map(),
};

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

test("what somebody may do is what the room says, whatever the role", () => {
  const may = (permissions: number) => {
    const member = { ...MEMBER, permissions };
    const { maySpeak, mayShow, mayShare, mayWrite, mayLead } = describe({ member, verified: true }, [], NOTHING);
    return [maySpeak, mayShow, mayShare, mayWrite, mayLead];
  };
  assert.deepEqual(may(0), [false, false, false, false, false]);
  assert.deepEqual(may(0xffff), [true, true, true, true, true]);
  assert.deepEqual(may(Permission.SUBSCRIBE | Permission.PUBLISH_AUDIO), [true, false, false, false, false]);
  assert.deepEqual(may(Permission.PUBLISH_VIDEO | Permission.CHAT_PRIVATE), [false, true, false, true, false]);
  assert.deepEqual(may(Permission.PUBLISH_SCREEN | Permission.MUTE_OTHERS), [false, false, true, false, true]);
});

test("recent speakers are bounded, the latest first", () => {
  const recent = new RecentSpeakers();
  for (let n = 1; n <= RECENT_SPEAKERS + 4; n++) recent.spoke(n);
  recent.spoke(10);
  recent.left(12);
  assert.deepEqual(recent.list.slice(0, 2), [10, RECENT_SPEAKERS + 4]);
  assert.equal(recent.list.length, RECENT_SPEAKERS - 1);
});

test("parts that say the same keep their identity", () => {
  const before = [
    { id: 1, name: "a" },
    { id: 2, name: "b" },
  ];
  assert.equal(
    keepAll(before, [
      { id: 1, name: "a" },
      { id: 2, name: "b" },
    ]),
    before,
  );
  const after = keepAll(before, [
    { id: 2, name: "b" },
    { id: 1, name: "c" },
  ]);
  assert.equal(after[0], before[1]);
  assert.deepEqual(after[1], { id: 1, name: "c" });
  assert.equal(keep<{ x: number; y?: number }>({ x: 1 }, { x: 1, y: 2 }).y, 2);
});

test("a volume is that of the person, whichever id it has, and not of another one of the same account", () => {
  const volumes = new Volumes();
  const siti = (id: number, account = "dinkes", name = "Siti") => participant(id, { account, name });
  volumes.choose(siti(1), 0.5);
  volumes.choose(siti(1), 0.25);
  assert.equal(volumes.of(siti(7)), 0.25);
  assert.equal(volumes.of(siti(1, "dinkes", "Budi")), 1);
  assert.equal(volumes.of(siti(1, "bappeda")), 1);
});

test("as many volumes are remembered as the limit says, the latest", () => {
  const volumes = new Volumes();
  for (let id = 0; id <= REMEMBERED_VOLUMES; id++) volumes.choose(participant(id), 2);
  assert.deepEqual(
    [0, 1, REMEMBERED_VOLUMES].map((id) => volumes.of(participant(id))),
    [1, 2, 2],
  );
});

test("names that others may have are shown as they are", () => {
  const names = [
    "",
    "Siti Rahmawati",
    "Ahmad, M.Kes",
    "شیدا می\u200cرود",
    "ಶ್ರೀ",
    "👩\u200d🔬 Ayu",
    "e\u0301\u0302",
    "שלום",
    "a  b",
  ];
  for (const name of names) assert.equal(visibleName(name), name);
});

test("what no clean name has cannot reorder, hide or cover the words around it", () => {
  assert.equal(visibleName("Ketua\u202e"), "Ketua\ufffd");
  assert.equal(visibleName("\u2066\u2069\u200f\u061c"), "\ufffd".repeat(4));
  assert.equal(visibleName("Ketua\u200b\u00ad (Bappeda)\u2028"), "Ketua\ufffd\ufffd (Bappeda)\ufffd");
  assert.equal(visibleName(`a${"\u0301".repeat(40)}b`), `a${"\u0301".repeat(4)}b`);
});

test("a member is described by names that are safe to show", () => {
  const findings = {
    newDevices: new Set(),
    silent: new Set(),
    speaking: new Set(),
    qualities: new Map(),
  };
  const member = {
    participant: 7,
    account: "x",
    agency: "\u202eDinas",
    name: "Ketua\u2067",
    role: "speaker",
    hand: 0n,
  };
  const shown = describe({ member: member as Member, verified: false }, [], {
    ...(findings as Omit<Parameters<typeof describe>[2], "volumes">),
    volumes: new Volumes(),
  });
  assert.deepEqual([shown.agency, shown.name], ["\ufffdDinas", "Ketua\ufffd"]);
});
