import assert from "node:assert/strict";
import { test } from "node:test";

import { choicesOf, isShown, pausedPictures, wantedStreams } from "../../../tcclient/web/src/engine/subscription.js";
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
    ...more,
  };
}

const want = (participant: number, height = 360) => ({ participant, source: "camera", height }) as const;

test("what is wanted is subscribed, the most wanted first, and as much as is allowed", () => {
  const known = [camera(1), camera(2), camera(3, { muted: true }), camera(4, { codec: "av1" })];
  const streams = wantedStreams([want(2), want(9), want(3), want(4), want(1), want(1)], known, Infinity, 720);
  assert.deepEqual(
    choicesOf(streams).map((choice) => choice.stream),
    [102, 101],
  );
  assert.deepEqual(
    wantedStreams([want(2), want(1)], known, 1, 720).map((stream) => stream.info.stream),
    [102],
  );
  assert.deepEqual(wantedStreams([want(2)], known, 0, 720), []);
});

test("the lowest layer that fills the tile is received", () => {
  const known = [camera(1, { layers: 3, width: 1280, height: 720 })];
  const layer = (height: number, most = 720): number | undefined =>
    wantedStreams([want(1, height)], known, 9, most)[0]?.spatial;
  assert.deepEqual([layer(100), layer(180), layer(181), layer(361), layer(2_000)], [0, 0, 1, 2, 2]);
  assert.equal(layer(2_000, 180), 0);
  assert.equal(wantedStreams([want(1)], [camera(1)], 9, 180)[0]?.spatial, 0);
});

test("a wanted picture that does not come has a cause", () => {
  const known = [camera(1), camera(2), camera(3)];
  const wanted = [want(1), want(2), want(3)];
  const streams = wantedStreams(wanted, known, 2, 720);
  assert.deepEqual(pausedPictures(wanted, streams, new Set([102])), [
    { participant: 2, source: "camera", cause: "no_picture" },
    { participant: 3, source: "camera", cause: "slow_connection" },
  ]);
  assert.deepEqual(pausedPictures(wanted, wantedStreams(wanted, known, 3, 720), new Set()), []);
});

test("a muted picture, and one of a codec that is not known, is not shown", () => {
  assert.deepEqual(
    [camera(1), camera(1, { codec: "h264" }), camera(1, { muted: true }), camera(1, { codec: "av1" })].map(isShown),
    [true, true, false, false],
  );
});
