import assert from "node:assert/strict";
import { test } from "node:test";

import type { Participant } from "../../../tcclient/web/src/engine/meeting.js";
import { translator } from "../../../tcclient/web/src/page/language.js";
import {
  addToast,
  CALM_SECONDS,
  changedRole,
  dropOldToasts,
  MAX_TOASTS,
  raisedHands,
  tellHappening,
  WARNING_SECONDS,
} from "../../../tcclient/web/src/page/toasts.js";
import { participant } from "./meeting-state.js";

const t = translator("en");

test("of many messages the latest stay, and each goes after its time", () => {
  const calm = { text: "x", tone: "calm", offer: undefined } as const;
  const warning = { ...calm, tone: "warning" } as const;
  let toasts = addToast([], warning, 0, 100);
  for (let id = 1; id < MAX_TOASTS; id++) toasts = addToast(toasts, calm, id, 100);
  assert.equal(toasts.length, MAX_TOASTS);
  assert.equal(dropOldToasts(toasts, 100 + CALM_SECONDS - 0.1), toasts);
  assert.deepEqual(
    dropOldToasts(toasts, 100 + CALM_SECONDS).map(({ id }) => id),
    [0],
  );
  assert.deepEqual(dropOldToasts(toasts, 100 + WARNING_SECONDS), []);
  assert.deepEqual(
    addToast(toasts, calm, 9, 101).map(({ id }) => id),
    [...Array.from({ length: MAX_TOASTS - 1 }, (_, index) => index + 1), 9],
  );
});

test("what a chair asks for is offered, and at a new device the list of people", () => {
  const by = participant(2, { name: "Siti", agency: "Bappeda" });
  const told = (["microphone", "camera"] as const).flatMap((source) =>
    [false, true].map((on) => tellHappening({ type: "asked", by, source, on }, t)),
  );
  assert.deepEqual(
    told.map(({ text, offer }) => [text, offer?.label, offer?.action]),
    [
      ["Siti (Bappeda) asks you to mute.", "bar.mute", "microphone_off"],
      ["Siti (Bappeda) asks you to unmute.", "bar.unmute", "microphone_on"],
      ["Siti (Bappeda) asks you to stop your camera.", "bar.stop_camera", "camera_off"],
      ["Siti (Bappeda) asks you to start your camera.", "bar.start_camera", "camera_on"],
    ],
  );
  assert.equal(tellHappening({ type: "new_device", participant: by }, t).offer?.action, "people");
  assert.equal(
    tellHappening({ type: "device_changed", source: "camera", label: "" }, t).text,
    "A device was unplugged. Now in use: Default of the browser.",
  );
});

test("what a chair holds is told by what it is", () => {
  const texts = (["held_muted", "hold_ended"] as const).flatMap((type) =>
    (["microphone", "camera", "screen"] as const).map((source) => tellHappening({ type, source }, t).text),
  );
  assert.deepEqual(texts, [
    "A chair has muted you. You cannot unmute until the chair lets you.",
    "A chair has stopped your camera. You cannot start it until the chair lets you.",
    "A chair has stopped the sharing of your screen.",
    "You can unmute yourself again.",
    "You can start your camera again.",
    "You can share your screen again.",
  ]);
});

test("another role is told once, and not at the entry or in another seat", () => {
  const told = (before: Participant | undefined, after: Participant | undefined) => changedRole(before, after, t)?.text;
  const speaker = participant(1);
  const listener = participant(1, { role: "listener" });
  assert.equal(told(speaker, listener), "Your role has changed. It is now “listener”.");
  assert.equal(told(listener, listener), undefined);
  const silenced = participant(1, { permissions: 0x31 });
  assert.equal(told(speaker, silenced), "What your role may do in this room has changed.");
  assert.equal(told(silenced, silenced), undefined);
  assert.equal(told(undefined, listener), undefined);
  assert.equal(told(speaker, undefined), undefined);
  assert.equal(told(speaker, participant(2, { role: "listener" })), undefined);
});

test("a hand is told when it goes up, not of those who come with it, and not again", () => {
  const told = (before: number, after: number) =>
    raisedHands([participant(1, { hand: before })], [participant(1, { hand: after })], t).length;
  assert.equal(told(0, 5), 1);
  assert.equal(told(5, 5), 0);
  assert.equal(told(5, 0), 0);
  assert.deepEqual(raisedHands([], [participant(1, { hand: 5 })], t), []);
});
