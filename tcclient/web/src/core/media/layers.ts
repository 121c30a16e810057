/**
 * Which spatial layer of each stream of pictures is received, and how another one takes its place.
 *
 * A receiver shows one layer. It changes at a keyframe of the other one, and takes both until that has come. If it does
 * not come in time, the change is given up: upwards what is shown stays, and the other layer is tried again later;
 * downwards the higher layer is given up, since the line cannot bear it.
 */

import { NEVER } from "../timers.js";

/** Seconds, beside a round trip, in which the keyframe of another layer has to come. */
export const PATIENCE = 1.0;
/** Seconds until a higher layer is tried again that did not come. */
export const RETRY = 4.0;
/** The same after it did not come again and again: the publisher may not be able to send it. */
export const MAX_RETRY = 64.0;
/** Seconds without a picture of the shown layer after which any lower one is welcome: its publisher sends less now. */
export const STALLED = 3.0;

/** The layers of one stream. */
class StreamLayers {
  /** The layer that is tried now: the wish, or what is shown while that cannot be had. */
  private target: number;
  /** Undefined: nothing yet, or nothing any more. */
  private current: number | undefined;
  /** When a change is given up, or a higher layer is tried again. */
  private due: number;
  private stallsAt = NEVER;
  private retry = RETRY;

  constructor(
    private wish: number,
    due: number,
  ) {
    this.target = wish;
    this.due = due;
  }

  /** The lowest and the highest layer that are asked for; all below too, where the target has not come alone. */
  get range(): readonly [number, number] {
    const { current, target } = this;
    if (current === undefined) return [this.due === NEVER ? 0 : target, target];
    return [Math.min(current, target), Math.max(current, target)];
  }

  /** Whether the wish did not come, and a lower layer is shown in its place. */
  get isLowered(): boolean {
    return this.current !== undefined && this.current < this.wish && this.retry > RETRY;
  }

  /** Want another layer; `due` is when the change to it is given up. */
  aim(wish: number, due: number): void {
    if (wish === this.wish) return;
    this.retry = RETRY;
    this.wish = this.target = wish;
    this.due = wish === this.current ? NEVER : due;
  }

  isWelcome(layer: number): boolean {
    return layer === this.current || layer === this.target || (this.current === undefined && layer < this.target);
  }

  /** Note a picture of a layer. */
  shown(layer: number, now: number): void {
    this.stallsAt = now + STALLED;
    if (layer === this.current) return;
    const fellBack = this.due === NEVER && layer < this.target;
    this.current = layer;
    if (fellBack) this.settle(layer, now);
    else if (layer === this.target) {
      this.retry = RETRY;
      this.due = NEVER;
    }
  }

  /** Do what is due: give a change up, or begin one. */
  handleTimeout(patience: number, now: number): void {
    if (this.stallsAt <= now) {
      this.current = undefined;
      this.due = this.stallsAt = NEVER;
    }
    if (this.due > now) return;
    if (this.current === undefined) this.due = NEVER;
    else if (this.current < this.target) this.settle(this.current, now);
    else if (this.current > this.target) {
      this.current = undefined;
      this.due = now + patience;
    } else {
      this.target = this.wish;
      this.due = now + patience;
    }
  }

  /** Stay with the shown layer, and try the wish again later. */
  private settle(layer: number, now: number): void {
    this.target = layer;
    this.due = now + this.retry;
    this.retry = Math.min(2 * this.retry, MAX_RETRY);
  }
}

/** The layers of the streams of all others that are wanted. */
export class LayerChoices {
  private streams = new Map<number, StreamLayers>();

  /** Want these layers, by stream id, and no other streams. `patience` is that of a change, a round trip included. */
  want(wishes: ReadonlyMap<number, number>, patience: number, now: number): void {
    const before = this.streams;
    this.streams = new Map();
    for (const [id, wish] of wishes) {
      const stream = before.get(id) ?? new StreamLayers(wish, now + patience);
      stream.aim(wish, now + patience);
      this.streams.set(id, stream);
    }
  }

  /** Return the lowest and the highest layer of a wanted stream that are asked for. */
  range(id: number): readonly [number, number] {
    return this.streams.get(id)?.range ?? [0, 0];
  }

  /** Tell whether a lower layer of a stream is shown because the wanted one did not come. */
  isLowered(id: number): boolean {
    return this.streams.get(id)?.isLowered ?? false;
  }

  /** Tell whether a layer is shown, or may be from its next keyframe on. */
  isWelcome(id: number, layer: number): boolean {
    return this.streams.get(id)?.isWelcome(layer) ?? false;
  }

  /** Note that a picture of a welcome layer is shown; return whether something else is asked for from now on. */
  shown(id: number, layer: number, now: number): boolean {
    return this.changes(id, (stream) => stream.shown(layer, now));
  }

  /** Do what is due; return whether something else is asked for from now on. */
  handleTimeout(patience: number, now: number): boolean {
    const changed = [...this.streams.keys()].filter((id) =>
      this.changes(id, (stream) => stream.handleTimeout(patience, now)),
    );
    return changed.length > 0;
  }

  private changes(id: number, act: (stream: StreamLayers) => void): boolean {
    const stream = this.streams.get(id);
    if (stream === undefined) return false;
    const [lowest, highest] = stream.range;
    act(stream);
    return stream.range[0] !== lowest || stream.range[1] !== highest;
  }
}
