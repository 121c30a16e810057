import assert from "node:assert/strict";
import { test } from "node:test";

import {
  choicesOf,
  isShown,
  limitedPictures,
  stopOf,
  wantedStreams,
} from "../../../tcclient/web/src/engine/subscription.js";
import type { PublicationInfo } from "../../../tcclient/web/src/protocol/messages.js";

function camera(participant: number, more: Partial<PublicationInfo> = {}): PublicationInfo {
  return {
    participant,
    number: 1,
    stream: 100 + participant,
    kind: "video",
    source: "camera",
    codec: "vp8",
    muted: false,
    layers: 1,
    width: 0,
    height: 0,
    held: false,
    stills: false,
    ...more,
  };
}

const want = (participant: number, height = 360) => ({ participant, source: "camera", height }) as const;

const NO_LIMITS = { budget: Infinity, lines: 720 };
const unmeasured = (): undefined => undefined;

test("what is wanted is subscribed, the most wanted first, and as much as there is room for", () => {
  const known = [camera(1), camera(2), camera(3, { muted: true }), camera(4, { codec: "av1" })];
  const all = wantedStreams([want(2), want(9), want(3), want(4), want(1), want(1)], known, NO_LIMITS, unmeasured);
  assert.deepEqual(
    choicesOf(all.streams, () => [0, 0]).map((choice) => choice.stream),
    [102, 101],
  );
  assert.equal(all.next, Infinity);
  const one = wantedStreams([want(2), want(1)], known, { ...NO_LIMITS, budget: 900_000 }, unmeasured);
  assert.deepEqual([one.streams.map((stream) => stream.info.stream), one.next], [[102], 1_000_000]);
  const measured = wantedStreams([want(2), want(1)], known, { ...NO_LIMITS, budget: 900_000 }, () => 450_000);
  assert.equal(measured.streams.length, 2);
  assert.deepEqual(wantedStreams([want(2)], known, { ...NO_LIMITS, budget: 0 }, unmeasured).streams, []);
});

test("the lowest layer that fills the tile is received", () => {
  const known = [camera(1, { layers: 3, width: 1280, height: 720 })];
  const layer = (height: number, lines = 720): number | undefined =>
    wantedStreams([want(1, height)], known, { ...NO_LIMITS, lines }, unmeasured).streams[0]?.spatial;
  assert.deepEqual([layer(100), layer(180), layer(181), layer(361), layer(2_000)], [0, 0, 1, 2, 2]);
  assert.deepEqual([layer(2_000, 180), layer(2_000, 360), layer(2_000, 400)], [0, 1, 1]);
  const single = wantedStreams([want(1)], [camera(1)], { ...NO_LIMITS, lines: 180 }, unmeasured);
  assert.equal(single.streams[0]?.spatial, 0);
});

test("all get their smallest layer before one gets a larger one", () => {
  const large = { layers: 3, width: 1280, height: 720 };
  const known = [camera(1, large), camera(2, large)];
  const layers = (budget: number) => {
    const { streams, next } = wantedStreams([want(1, 720), want(2, 720)], known, { budget, lines: 720 }, unmeasured);
    return [...streams.map(({ spatial }) => spatial), next];
  };
  assert.deepEqual(layers(200_000), [0, 300_000]);
  assert.deepEqual(layers(300_000), [0, 0, 650_000]);
  assert.deepEqual(layers(650_000), [1, 0, 1_000_000]);
  assert.deepEqual(layers(2_000_000), [2, 1, 3_000_000]);
  assert.deepEqual(layers(3_000_000), [2, 2, Infinity]);
});

test("a choice has the layers that are asked for", () => {
  const { streams } = wantedStreams([want(1)], [camera(1, { layers: 3 })], NO_LIMITS, unmeasured);
  const [choice] = choicesOf(streams, (stream) => (stream === 101 ? [0, 2] : [1, 1]));
  assert.deepEqual([choice?.minSpatial, choice?.maxSpatial], [0, 2]);
});

test("a wanted picture of which less comes has a cause", () => {
  const known = [camera(1), camera(2), camera(3), camera(4, { layers: 2, width: 640, height: 360 })];
  const wanted = [want(1), want(2), want(4), want(3)];
  const causes = (budget: number, stalled: readonly number[] = [], lowered: readonly number[] = []) => {
    const { streams } = wantedStreams(wanted, known, { ...NO_LIMITS, budget }, unmeasured);
    const limited = limitedPictures(wanted, streams, new Set(stalled), (stream) => lowered.includes(stream));
    return limited.map(({ participant, cause }) => [participant, cause]);
  };
  assert.deepEqual(causes(1_300_000, [102]), [
    [2, "no_picture"],
    [4, "smaller_received"],
    [3, "slow_connection"],
  ]);
  assert.deepEqual(causes(Infinity), []);
  assert.deepEqual(causes(Infinity, [], [101, 104]), [
    [1, "smaller_sent"],
    [4, "smaller_sent"],
  ]);
});

test("a muted picture, and one of a codec that is not known, is not shown", () => {
  assert.deepEqual(
    [camera(1), camera(1, { codec: "h264" }), camera(1, { muted: true }), camera(1, { codec: "av1" })].map(isShown),
    [true, true, false, false],
  );
  assert.deepEqual(
    [{}, { muted: true }, { muted: true, held: true }, { codec: "av1" }].map((more) => stopOf(camera(1, more))),
    [undefined, "muted", "held", "unknown_codec"],
  );
});
