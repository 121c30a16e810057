// Which layer of pictures is asked for and shown, in the time of the test.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LayerChoices, MAX_RETRY, PATIENCE, RETRY, STALLED } from "../../../tcclient/web/src/core/media/layers.js";

const STREAM = 7;

/** The layers of one stream. */
class Stream {
  now = 0;
  readonly choices = new LayerChoices();

  constructor(wish: number) {
    this.want(wish);
  }

  want(wish: number): readonly [number, number] {
    this.choices.want(new Map([[STREAM, wish]]), PATIENCE, this.now);
    return this.range;
  }

  get range(): readonly [number, number] {
    return this.choices.range(STREAM);
  }

  shown(layer: number): boolean {
    return this.choices.shown(STREAM, layer, this.now);
  }

  welcome(): number[] {
    return [0, 1, 2].filter((layer) => this.choices.isWelcome(STREAM, layer));
  }

  /** Let time pass, in which pictures of `shown` come. */
  pass(seconds: number, shown?: number): void {
    for (let tenth = 0; tenth < 10 * seconds; tenth++) {
      this.now += 0.1;
      if (shown !== undefined && this.choices.isWelcome(STREAM, shown)) this.shown(shown);
      this.choices.handleTimeout(PATIENCE, this.now);
    }
  }
}

test("the wanted layer is asked for alone, and after a while any lower one", () => {
  const stream = new Stream(2);
  assert.deepEqual(stream.range, [2, 2]);
  stream.pass(PATIENCE + 0.2);
  assert.deepEqual(
    [stream.range, stream.welcome()],
    [
      [0, 2],
      [0, 1, 2],
    ],
  );
  assert.ok(stream.shown(1));
  assert.deepEqual([stream.range, stream.welcome()], [[1, 1], [1]]);
});

test("a larger layer takes the place of the shown one at its keyframe", () => {
  const stream = new Stream(0);
  stream.shown(0);
  assert.deepEqual(
    [stream.want(2), stream.welcome()],
    [
      [0, 2],
      [0, 2],
    ],
  );
  assert.ok(!stream.shown(0));
  assert.ok(stream.shown(2));
  assert.deepEqual([stream.range, stream.welcome()], [[2, 2], [2]]);
});

test("a larger layer that does not come is tried again later and later", () => {
  const stream = new Stream(0);
  stream.shown(0);
  stream.want(1);
  assert.ok(!stream.choices.isLowered(STREAM));
  stream.pass(PATIENCE + 0.2, 0);
  assert.deepEqual(stream.range, [0, 0]);
  assert.ok(stream.choices.isLowered(STREAM));
  stream.pass(RETRY - 0.5, 0);
  assert.deepEqual(stream.range, [0, 0]);
  stream.pass(0.5, 0);
  assert.deepEqual(stream.range, [0, 1]);
  stream.pass(PATIENCE + RETRY + 0.5, 0);
  assert.deepEqual(stream.range, [0, 0]);
  stream.pass(RETRY, 0);
  assert.deepEqual(stream.range, [0, 1]);
  assert.ok(stream.choices.isLowered(STREAM));
  stream.shown(1);
  assert.deepEqual(stream.range, [1, 1]);
  assert.ok(!stream.choices.isLowered(STREAM));
  assert.ok(MAX_RETRY > RETRY);
});

test("a smaller layer takes the place of a larger one, which is given up where that does not come", () => {
  const stream = new Stream(2);
  stream.shown(2);
  assert.deepEqual(stream.want(0), [0, 2]);
  stream.pass(PATIENCE + 0.2, 2);
  assert.deepEqual([stream.range, stream.welcome()], [[0, 0], [0]]);
  stream.shown(0);
  assert.deepEqual(stream.range, [0, 0]);
});

test("when no picture of the shown layer comes any more, a lower one is welcome", () => {
  const stream = new Stream(2);
  stream.shown(2);
  stream.pass(STALLED + 0.2);
  assert.deepEqual(stream.range, [0, 2]);
  stream.shown(0);
  assert.deepEqual(stream.range, [0, 0]);
  stream.pass(RETRY + 0.2, 0);
  assert.deepEqual(stream.range, [0, 2]);
});

test("a stream that is not wanted is not welcome", () => {
  const stream = new Stream(1);
  stream.choices.want(new Map(), PATIENCE, 1);
  assert.ok(!stream.choices.isWelcome(STREAM, 1));
  assert.ok(!stream.shown(1));
  assert.deepEqual(stream.range, [0, 0]);
});
