import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BAD_SECONDS,
  cameraLayers,
  DownlinkAdaptation,
  type DownlinkSecond,
  FAILED_LOSS,
  GOOD_SECONDS,
  layerQualities,
  LEAST_BITRATE,
  MOST_BITRATE,
  type PictureSecond,
  RETRY_PAUSED,
  START_BITRATE,
  UplinkAdaptation,
} from "../../../tcclient/web/src/engine/adaptation.js";
import { GIVE_UP, nextWait } from "../../../tcclient/web/src/engine/rejoin.js";
import { Uplink } from "../../../tcclient/web/src/engine/uplink.js";
import { LARGE } from "../../../tcclient/web/src/protocol/datagram.js";
import {
  LARGE_PATIENCE,
  MAX_LARGE,
  MAX_SMALL,
  MAX_UNSENT,
  SMALL_PATIENCE,
} from "../../../tcclient/web/src/protocol/stream-path.js";

const small = (mark: number): Uint8Array => new Uint8Array(200).fill(mark);
const large = (mark: number): Uint8Array => new Uint8Array(1_200).fill(mark);
const marks = (datagrams: Uint8Array[]): (number | undefined)[] => datagrams.map((datagram) => datagram[0]);

test("what fits is written at once, sound first", () => {
  const uplink = new Uplink();
  uplink.push(large(1), 0);
  uplink.push(small(2), 0);
  assert.deepEqual(marks(uplink.take(0, 0)), [2, 1]);
  assert.equal(uplink.waiting, 0);
});

test("no more is written than may be unsent", () => {
  const uplink = new Uplink();
  for (let n = 0; n < 10; n++) uplink.push(large(n), 0);
  assert.deepEqual(marks(uplink.take(0, 0)), [0, 1, 2, 3]);
  assert.deepEqual(marks(uplink.take(MAX_UNSENT, 0)), []);
  assert.deepEqual(marks(uplink.take(MAX_UNSENT - 1, 0)), [4]);
});

test("sound is dropped oldest first, by number and by age", () => {
  const uplink = new Uplink();
  for (let n = 0; n < MAX_SMALL + 3; n++) uplink.push(small(n), n / 1_000);
  assert.deepEqual(uplink.dropped, { small: 3, large: 0 });
  assert.deepEqual(marks(uplink.take(0, SMALL_PATIENCE + 0.0045))[0], 5);
});

test("what follows a dropped part of a picture goes with it, by number and by age", () => {
  const uplink = new Uplink();
  for (let n = 0; n < MAX_LARGE; n++) uplink.push(large(n), 0);
  uplink.push(small(1), 0.1);
  uplink.push(large(2), 0.1);
  assert.deepEqual(uplink.dropped, { small: 0, large: MAX_LARGE + 1 });
  uplink.push(large(3), 0.2);
  assert.deepEqual(marks(uplink.take(MAX_UNSENT, 0.2 + LARGE_PATIENCE)), []);
  assert.equal(uplink.waiting, 2);
  assert.deepEqual(marks(uplink.take(0, 0.2001 + LARGE_PATIENCE)), [1]);
  assert.equal(uplink.waiting, 0);
  assert.ok(large(0).length > LARGE);
});

/** Run for `seconds` in tenths; the way carries `bitrate`. */
function run(adaptation: UplinkAdaptation, bitrate: number, from: number, seconds: number) {
  let quality = adaptation.update(false, 0, START_BITRATE, from);
  for (let tenth = 1; tenth <= 10 * seconds; tenth++) {
    const used = quality?.bitrate ?? 0;
    quality = adaptation.update(used > bitrate, 0, used, from + tenth / 10);
  }
  return quality;
}

test("a wide line gets 720 lines, and a narrow one 180", () => {
  assert.deepEqual(new UplinkAdaptation().update(false, 0, 0, 0)?.bitrate, START_BITRATE);
  assert.equal(run(new UplinkAdaptation(), Infinity, 0, 60)?.bitrate, MOST_BITRATE);
  assert.equal(run(new UplinkAdaptation(), Infinity, 0, 60)?.height, 720);
  const narrow = run(new UplinkAdaptation(), 180_000, 0, 60);
  assert.ok(narrow !== undefined && narrow.height === 180 && narrow.bitrate < 220_000, JSON.stringify(narrow));
});

test("a line that carries no picture gets none, and is tried again", () => {
  const adaptation = new UplinkAdaptation();
  let paused = 0;
  let sent = 0;
  for (let tenth = 0; tenth < 600; tenth++) {
    const quality = adaptation.update(true, 0, START_BITRATE, tenth / 10);
    if (quality === undefined) paused += 1;
    else {
      sent += 1;
      assert.ok(quality.bitrate >= LEAST_BITRATE);
    }
  }
  assert.ok(paused > 400 && sent > 50, `${paused} ${sent}`);
  assert.ok(RETRY_PAUSED > 1);
});

test("a rate that is not used is not raised, and the size is reached that needs more", () => {
  const adaptation = new UplinkAdaptation();
  let quality = adaptation.update(false, 0, 0, 0);
  for (let now = 1; now < 100; now++) quality = adaptation.update(false, 0, 200_000, now);
  assert.equal(quality?.bitrate, START_BITRATE);
  for (let now = 100; now < 200; now++) {
    const layers = layerQualities(quality ?? assert.fail(), [180, 360, 720], [false, false, true]);
    quality = adaptation.update(false, 0, layers[2]?.bitrate ?? 0, now);
  }
  assert.equal(quality?.height, 720);
});

test("what the room allows is not exceeded, and loss on the way reduces", () => {
  const adaptation = new UplinkAdaptation();
  adaptation.allow(400_000);
  assert.equal(run(adaptation, Infinity, 0, 30)?.bitrate, 400_000);
  assert.ok((adaptation.update(false, 0.2, 400_000, 40)?.bitrate ?? 0) < 300_000);
});

/** A second in which sound comes as it should. */
const CLEAR: DownlinkSecond = { packets: 50, lost: 0 };

/** A second of a way down that carries `carried` bits per second of the `offered`, in packets of 10 kbit. */
function second(offered: number, carried: number): PictureSecond {
  const bits = Math.min(offered, carried);
  return { received: bits / 10_000, lost: (offered - bits) / 10_000, bits };
}

test("what the way down does not carry is given up in a few seconds, and tried again later and later", () => {
  const adaptation = new DownlinkAdaptation();
  const [each, all] = [100_000, 1_200_000];
  const asked = (): number => Math.min(all, each * Math.floor(adaptation.budget / each));
  const run = (carried: number, from: number, to: number): number[] => {
    const changes = [];
    for (let now = from; now < to; now++) {
      const next = asked() === all ? Infinity : asked() + each;
      if (adaptation.second(second(asked(), carried), CLEAR, true, next)) changes.push(now);
    }
    return changes;
  };
  const changes = run(240_000, 1, 400);
  assert.equal(changes[0], BAD_SECONDS);
  const waits = changes.map((at, i) => at - (changes[i - 1] ?? 0)).filter((wait) => wait >= GOOD_SECONDS);
  assert.ok(waits.length >= 3 && (waits.at(-1) ?? 0) >= 4 * GOOD_SECONDS, `${changes}`);
  assert.ok(asked() <= 300_000);
  run(Infinity, 400, 800);
  assert.deepEqual([asked(), adaptation.budget], [all, Infinity]);
});

test("an attempt at more ends with the first pictures that are lost, and nothing else does", () => {
  const adaptation = new DownlinkAdaptation();
  const asks = 600_000;
  const lossy = { received: 20, lost: FAILED_LOSS };
  for (let n = 0; n < BAD_SECONDS; n++) {
    assert.equal(adaptation.glance(lossy), false, "what was there before is given up after seconds");
    adaptation.second(second(asks, 250_000), CLEAR, true, Infinity);
  }
  const before = adaptation.budget;
  let waited = 0;
  const raise = (): void => {
    for (waited = 1; !adaptation.second(second(0, 0), CLEAR, false, asks); waited++) assert.ok(waited < 100);
  };
  raise();
  assert.ok(adaptation.budget > asks);
  assert.equal(adaptation.glance({ received: 3, lost: FAILED_LOSS - 1 }), false);
  assert.equal(adaptation.glance({ received: 500, lost: FAILED_LOSS }), false);
  assert.equal(adaptation.glance(lossy), true);
  assert.equal(adaptation.budget, before);
  assert.equal(adaptation.glance(lossy), false);
  const first = waited;
  raise();
  assert.ok(waited >= first + GOOD_SECONDS, `${first} ${waited}`);
  for (let n = 0; n < 3 * GOOD_SECONDS; n++) adaptation.second(second(asks, Infinity), CLEAR, true, Infinity);
  assert.equal(adaptation.glance(lossy), false, "what has stood for a while is no attempt");
});

test("a second in which no picture comes says nothing of a way down that carries sound", () => {
  const adaptation = new DownlinkAdaptation();
  const next = (picture: PictureSecond) => adaptation.second(picture, CLEAR, true, 500_000);
  for (let n = 0; n < BAD_SECONDS; n++) next(second(1_000_000, 500_000));
  assert.equal(adaptation.budget, 400_000);
  for (let n = 0; n < 10 * GOOD_SECONDS; n++) assert.equal(next(second(0, 0)), false);
  assert.equal(adaptation.budget, 400_000);
});

test("seconds in which the page wants no pictures do not raise what was found", () => {
  const adaptation = new DownlinkAdaptation();
  const sound = { packets: 150, lost: 0 };
  adaptation.budget = 300_000;
  for (let second = 0; second < 10 * GOOD_SECONDS; second++) {
    assert.equal(adaptation.second({ received: 0, lost: 0, bits: 0 }, sound, false, Infinity), false);
  }
  assert.equal(adaptation.budget, 300_000);
});

test("pictures of which none comes are given up where sound is lost, until it is not", () => {
  const adaptation = new DownlinkAdaptation();
  const lossy: DownlinkSecond = { packets: 50, lost: 5 };
  const next = (all: DownlinkSecond, expects = true) => adaptation.second(second(0, 0), all, expects, 150_000);
  for (let n = 0; n < 10; n++) next(lossy, false);
  assert.equal(adaptation.budget, Infinity, "nothing to give up");
  const changes = Array.from({ length: BAD_SECONDS }, () => next(lossy));
  assert.deepEqual([changes.indexOf(true), adaptation.budget], [BAD_SECONDS - 1, 0]);
  for (let n = 0; n < 10 * GOOD_SECONDS; n++) assert.equal(next(lossy, false), false);
  for (let n = 1; n < GOOD_SECONDS; n++) assert.equal(next(CLEAR, false), false);
  assert.equal(next(CLEAR, false), true);
  assert.ok(adaptation.budget > 150_000);
});

test("a way down that carries a part of one picture gives it up in a few steps", () => {
  const adaptation = new DownlinkAdaptation();
  const picture = 60_000;
  for (let n = 0; n < 10 * (BAD_SECONDS + 1) && adaptation.budget >= picture; n++) {
    adaptation.second(second(picture, 55_000), CLEAR, true, Infinity);
  }
  assert.ok(adaptation.budget > 0 && adaptation.budget < picture, `${adaptation.budget}`);
});

test("a way down that is good holds nothing back", () => {
  const adaptation = new DownlinkAdaptation();
  for (let n = 0; n < 10 * GOOD_SECONDS; n++) {
    assert.equal(adaptation.second({ received: 500, lost: 5, bits: 1e6 }, CLEAR, true, Infinity), false);
  }
  assert.equal(adaptation.budget, Infinity);
});

test("a camera is sent in sizes that are halves of each other", () => {
  assert.deepEqual([1080, 720, 480, 360, 240].map(cameraLayers), [
    [180, 360, 720],
    [180, 360, 720],
    [240, 480],
    [180, 360],
    [240],
  ]);
});

test("only layers that are wanted, and for which the rate is enough, are sent", () => {
  const heights = [180, 360, 720];
  const sent = (bitrate: number, height: number, wanted: readonly boolean[]) =>
    layerQualities({ bitrate, height, framesPerSecond: 25 }, heights, wanted).map(
      (quality) => quality && [quality.height, quality.bitrate],
    );
  assert.deepEqual(sent(1_300_000, 720, [true, true, true]), [
    [180, 100_000],
    [360, 300_000],
    [720, 900_000],
  ]);
  assert.deepEqual(sent(600_000, 360, [true, true, true]), [[180, 150_000], [360, 450_000], undefined]);
  assert.deepEqual(sent(600_000, 360, [false, false, true]), [undefined, undefined, [360, 600_000]]);
  assert.deepEqual(sent(1_500_000, 720, [true, false, false]), [[180, 200_000], undefined, undefined]);
  assert.deepEqual(sent(100_000, 180, [false, true, true]), [undefined, [180, 100_000], undefined]);
  assert.deepEqual(sent(1_500_000, 720, [false, false, false]), [undefined, undefined, undefined]);
});

test("a lost connection is tried again for ten minutes, a refusal is not", () => {
  const lost = { code: "connection_lost", retryAfter: 0, detail: "" } as const;
  assert.equal(nextWait(lost, 1, 0, 0), 0.1);
  assert.equal(nextWait(lost, 20, 59, 0), 2);
  assert.equal(nextWait(lost, 100, 60, 0), 15);
  assert.equal(nextWait(lost, 3, GIVE_UP + 1, 0), undefined);
  assert.equal(nextWait({ ...lost, code: "room_full" }, 3, 0, 0), 1);
  assert.equal(nextWait({ ...lost, code: "shutdown", retryAfter: 5 }, 1, 0, 1), 6.5);
  assert.equal(nextWait({ ...lost, code: "shutdown", retryAfter: GIVE_UP }, 1, 0, 0), GIVE_UP);
  // No timer of a browser is as long, and it would end at once.
  for (const retryAfter of [GIVE_UP + 1, (2 ** 32 - 1) / 1000]) {
    assert.equal(nextWait({ ...lost, code: "shutdown", retryAfter }, 1, 0, 0), undefined);
  }
  for (const code of ["kicked", "room_closed", "bad_credentials", "wrong_server", "replaced"] as const) {
    assert.equal(nextWait({ ...lost, code }, 1, 0, 0), undefined);
  }
});
