import assert from "node:assert/strict";
import { test } from "node:test";

import {
  arrange,
  capacity,
  floatingTile,
  GAP,
  gridTile,
  isStopped,
  MAX_TILES,
  MIN_TILE_WIDTH,
  pinnedKey,
  tilesOf,
  wantedPictures,
} from "../../../tcclient/web/src/page/layout.js";
import type { LimitCause, MeetingState, Participant } from "../../../tcclient/web/src/engine/meeting.js";
import { inside, participant } from "./meeting-state.js";

const DESKTOP = { width: 1264, height: 660 };
const PHONE = { width: 352, height: 600 };

const people = (count: number) => Array.from({ length: count }, (_, index) => participant(index + 1, { camera: true }));
const keys = (tiles: readonly { readonly key: string }[]) => tiles.map(({ key }) => key);

test("each participant has a tile, a shared screen has one more, and ours is the last", () => {
  const state = inside([participant(1, { screen: true }), participant(2, { camera: true })]);
  const tiles = tilesOf(state, false);
  assert.deepEqual(keys(tiles), ["1:screen", "1:camera", "2:camera", "1000:camera"]);
  assert.deepEqual(
    tiles.map(({ picture }) => picture),
    [true, false, true, false],
  );
  assert.equal(tiles.at(-1)?.own, true);
});

test("tiles of a grid fit on the stage, and no other number of columns makes them larger", () => {
  for (const stage of [DESKTOP, PHONE, { width: 1900, height: 300 }]) {
    for (let count = 1; count <= capacity(stage); count++) {
      const { width, height } = gridTile(count, stage);
      const columns = Math.floor((stage.width + GAP) / (width + GAP));
      const rows = Math.ceil(count / columns);
      assert.ok(rows * height + (rows - 1) * GAP <= stage.height, `${count} tiles on ${stage.width}`);
      const larger = { width: width + 2, height: height + 2 };
      const fitting =
        Math.floor((stage.width + GAP) / (larger.width + GAP)) *
        Math.floor((stage.height + GAP) / (larger.height + GAP));
      assert.ok(fitting < count, `${count} tiles on ${stage.width} could be larger`);
    }
  }
});

test("as many are shown as fit with the least width, and never more than the limit", () => {
  assert.equal(capacity(PHONE), 2 * 6);
  assert.equal(capacity({ width: 10_000, height: 10_000 }), MAX_TILES);
  assert.equal(capacity({ width: 0, height: 0 }), 1);
  assert.ok(gridTile(capacity(PHONE), PHONE).width >= MIN_TILE_WIDTH);
});

test("those who are shown of too many are ourselves, screens, hands, speakers, then those with a picture", () => {
  const crowd = Array.from({ length: 60 }, (_, index) => participant(index + 1));
  crowd[49] = participant(50, { camera: true });
  crowd[54] = participant(55, { hand: 7 });
  const state = inside(crowd, { recentSpeakers: [59, 58] });
  const { small, hidden } = arrange(tilesOf(state, false), { width: 480, height: 186 }, "grid", undefined, [59, 58]);
  assert.deepEqual(keys(small), ["1:camera", "50:camera", "55:camera", "58:camera", "59:camera", "1000:camera"]);
  assert.equal(hidden, 61 - 6);
});

test("a tile keeps its place when somebody else speaks", () => {
  const tiles = tilesOf(inside(people(6)), false);
  const quiet = arrange(tiles, DESKTOP, "grid", undefined, []);
  const loud = arrange(tiles, DESKTOP, "grid", undefined, [5, 2]);
  assert.deepEqual(keys(loud.small), keys(quiet.small));
});

test("in speaker view the latest loud one is large, but not ourselves", () => {
  const tiles = tilesOf(inside(people(4)), false);
  const { large, small } = arrange(tiles, DESKTOP, "speaker", undefined, [1000, 3, 1]);
  assert.equal(large?.key, "3:camera");
  assert.deepEqual(keys(small), ["1:camera", "2:camera", "4:camera", "1000:camera"]);
});

test("in speaker view, while nobody has spoken, the first with a picture is large", () => {
  const tiles = tilesOf(inside([participant(1), participant(2, { camera: true })]), false);
  assert.equal(arrange(tiles, DESKTOP, "speaker", undefined, []).large?.key, "2:camera");
});

test("a pinned tile goes before a shared screen, and that before the one who speaks", () => {
  const tiles = tilesOf(inside([participant(1, { screen: true }), participant(2), participant(3)]), false);
  assert.equal(arrange(tiles, DESKTOP, "grid", "3:camera", [2]).large?.key, "3:camera");
  assert.equal(arrange(tiles, DESKTOP, "speaker", undefined, [2]).large?.key, "1:screen");
  assert.equal(arrange(tiles, DESKTOP, "grid", "gone", [2]).large?.key, "1:screen");
});

test("a pin stays with the person who comes back with another id", () => {
  const pin = { participant: participant(3, { account: "dinkes", name: "Siti" }), source: "screen" } as const;
  const siti = (id: number) => participant(id, { account: "dinkes", name: "Siti" });
  const key = (others: readonly ReturnType<typeof participant>[]) => pinnedKey(pin, inside(others));
  assert.equal(key([siti(2), siti(3)]), "3:screen");
  assert.equal(key([participant(3), siti(9)]), "9:screen");
  assert.equal(key([participant(3), participant(4, { account: "dinkes", name: "Budi" })]), undefined);
  assert.equal(pinnedKey(undefined, inside([siti(3)])), undefined);
  const own = { participant: participant(1000), source: "camera" } as const;
  assert.equal(pinnedKey(own, inside([], { me: { ...own.participant, id: 1001 } })), "1001:camera");
});

test("alone there is one tile, and nothing is large", () => {
  const { large, small, smallSize } = arrange(tilesOf(inside([]), false), DESKTOP, "speaker", undefined, []);
  assert.equal(large, undefined);
  assert.deepEqual(keys(small), ["1000:camera"]);
  assert.equal(smallSize.height, DESKTOP.height - (DESKTOP.height % 1));
});

test("the small tiles are beside a large one on a wide stage and below it on a high one, and all fit", () => {
  const tiles = tilesOf(inside(people(20)), false);
  for (const [stage, strip] of [
    [DESKTOP, "beside"],
    [PHONE, "below"],
  ] as const) {
    const arranged = arrange(tiles, stage, "speaker", undefined, []);
    assert.equal(arranged.strip, strip);
    const [across, down] = strip === "beside" ? [1, arranged.small.length] : [arranged.small.length, 1];
    const { largeSize, smallSize } = arranged;
    const width = across * (smallSize.width + GAP) - GAP;
    const height = down * (smallSize.height + GAP) - GAP;
    assert.ok(width <= stage.width && height <= stage.height);
    assert.ok(
      strip === "beside"
        ? largeSize.width + GAP + width <= stage.width
        : largeSize.height + GAP + height <= stage.height,
    );
    assert.equal(arranged.hidden, 20 - arranged.small.length);
    assert.ok(arranged.small.length >= 3, "others are in sight besides ourselves");
  }
});

test("pictures are wanted of others who have one, with the height in device pixels", () => {
  const state = inside([participant(1, { camera: true, screen: true }), participant(2)]);
  const arranged = arrange(tilesOf(state, false), DESKTOP, "grid", undefined, []);
  assert.deepEqual(wantedPictures(arranged, 2), [
    { participant: 1, source: "screen", height: arranged.largeSize.height * 2 },
    { participant: 1, source: "camera", height: arranged.smallSize.height * 2 },
  ]);
});

test("of a page that is not seen only the floating picture is wanted", () => {
  const state = inside([participant(1, { camera: true, screen: true }), participant(2, { camera: true })]);
  const arranged = arrange(tilesOf(state, false), DESKTOP, "grid", undefined, []);
  const wanted = (floating?: string) =>
    wantedPictures(arranged, 1, false, floating).map(({ participant: id, source }) => `${id}:${source}`);
  assert.deepEqual(wanted(), []);
  assert.deepEqual(wanted("1:camera"), ["1:camera"]);
  assert.deepEqual(wanted(floatingTile(arranged)?.key), ["1:screen"]);
});

test("what floats is the first picture of others that can be had", () => {
  const own = { state: "on", fault: undefined, stream: {} as MediaStream } as const;
  const floating = (others: readonly Participant[], soundOnly = false, speakers: readonly number[] = []) => {
    const tiles = tilesOf(inside(others, { camera: own }), soundOnly);
    return floatingTile(arrange(tiles, DESKTOP, "speaker", undefined, speakers))?.key;
  };
  const some = [participant(1), participant(2, { camera: true }), participant(3, { camera: true })];
  assert.equal(floating(some), "2:camera");
  assert.equal(floating(some, false, [3]), "3:camera");
  assert.equal(floating(some, false, [1]), "2:camera");
  assert.equal(floating(some, true), undefined);
  assert.equal(floating([participant(1)]), undefined);
});

test("a picture that does not come is still wanted, and its tile says why", () => {
  const limited = [{ participant: 2, source: "camera", cause: "slow_connection" }] as const;
  const own = { state: "paused", fault: undefined, stream: {} as MediaStream } as const;
  const tiles = tilesOf(inside(people(2), { limited, camera: own }), false);
  assert.deepEqual(
    tiles.map((tile) => [tile.key, tile.picture, tile.limit]),
    [
      ["1:camera", true, undefined],
      ["2:camera", true, "slow_connection"],
      ["1000:camera", true, "slow_connection"],
    ],
  );
  const wanted = wantedPictures(arrange(tiles, DESKTOP, "grid", undefined, []), 1);
  assert.deepEqual(
    wanted.map(({ participant: id }) => id),
    [1, 2],
  );
});

test("a tile says why less of its picture comes, and shows what comes", () => {
  const limitOf = (
    changes: Partial<Participant>,
    cause?: LimitCause,
    soundOnly = false,
    more: Partial<MeetingState> = {},
  ) => {
    const limited = cause === undefined ? [] : [{ participant: 1, source: "camera", cause } as const];
    return tilesOf(inside([participant(1, changes)], { limited, ...more }), soundOnly)[0]?.limit;
  };
  const causes = ["slow_connection", "no_picture", "smaller_received", "smaller_sent"] as const;
  assert.deepEqual(
    causes.map((cause) => limitOf({ camera: true }, cause)),
    causes,
  );
  assert.equal(limitOf({ camera: true, quality: 1 }, "no_picture"), "weak_sender");
  assert.equal(limitOf({ camera: true, quality: 0 }, "slow_connection"), "slow_connection");
  assert.equal(limitOf({ camera: true }, "no_picture", true), "data_saver");
  for (const cameraStopped of ["muted", "held", "unknown_codec"] as const) {
    assert.equal(limitOf({ cameraStopped }, undefined, true), cameraStopped);
  }
  assert.equal(limitOf({}, undefined, true), undefined);
  const reason = { code: "connection_lost", detail: "", retryAfter: 0 } as const;
  const lost = { phase: { name: "returning", attempt: 1, reason } } as const;
  assert.equal(limitOf({ camera: true }, "smaller_sent", false, lost), "lost_connection");
  assert.equal(limitOf({ cameraStopped: "muted" }, undefined, false, lost), "muted");
  assert.equal(limitOf({}, undefined, false, lost), undefined);
  assert.deepEqual([undefined, ...causes, "lost_connection" as const, "muted" as const].map(isStopped), [
    false,
    true,
    true,
    false,
    false,
    true,
    true,
  ]);
});

test("with sound only the pictures of others pause and are not wanted, and we keep our own", () => {
  const state = inside([participant(1, { camera: true, screen: true })], {
    camera: { state: "on", fault: undefined, stream: {} as MediaStream },
  });
  const tiles = tilesOf(state, true);
  assert.deepEqual(
    tiles.map(({ key, picture, limit }) => [key, picture, limit]),
    [
      ["1:camera", true, "data_saver"],
      ["1000:camera", true, undefined],
    ],
  );
  assert.deepEqual(wantedPictures(arrange(tiles, DESKTOP, "grid", undefined, []), 1), []);
});
