/**
 * Keyframes: those that others need of our publications, and those that we ask others for.
 *
 * Ours are made at most once in `KEYFRAME_INTERVAL`, whoever asks. A server that asks more often is wrong, or hostile.
 */

import { KEYFRAME_INTERVAL, KEYFRAME_REQUEST_INTERVAL } from "../../protocol/packet.js";
import { NEVER } from "../timers.js";

/** A spatial layer of a publication of ours, by its number, or of a stream of others, by its id. */
export interface Layer {
  readonly id: number;
  readonly spatial: number;
}

function slotOf({ id, spatial }: Layer): string {
  return `${id} ${spatial}`;
}

/** The requests for our layers. */
export class KeyframeRequests {
  /** When the application was last told. */
  readonly #made = new Map<string, { readonly layer: Layer; readonly at: number }>();
  readonly #due = new Map<string, { readonly layer: Layer; readonly at: number }>();

  /** When `take` has something. */
  get nextDeadline(): number {
    return Math.min(NEVER, ...[...this.#due.values()].map(({ at }) => at));
  }

  /** Somebody needs a keyframe; it is due at once, or when the last one is old enough. */
  ask(layer: Layer, now: number): void {
    const slot = slotOf(layer);
    if (this.#due.has(slot)) return;
    const made = this.#made.get(slot)?.at ?? -NEVER;
    this.#due.set(slot, { layer, at: Math.max(now, made + KEYFRAME_INTERVAL) });
  }

  /** Return the layers that are due, of which the application is told now. */
  take(now: number): Layer[] {
    const due = [...this.#due].filter(([, { at }]) => at <= now);
    for (const [slot, { layer }] of due) {
      this.#due.delete(slot);
      this.#made.set(slot, { layer, at: now });
    }
    return due.map(([, { layer }]) => layer);
  }

  /** A publication has ended. */
  forget(number: number): void {
    for (const table of [this.#made, this.#due]) {
      for (const [slot, { layer }] of table) {
        if (layer.id === number) table.delete(slot);
      }
    }
  }
}

/** When we may ask for a keyframe of somebody else's layer. */
export class KeyframeSpacing {
  /** When we asked for each layer; only where that was a moment ago. */
  readonly #asked = new Map<string, number>();

  /** Tell whether to ask now; true counts as asked. */
  due(layer: Layer, now: number): boolean {
    for (const [slot, at] of this.#asked) {
      if (now >= at + KEYFRAME_REQUEST_INTERVAL) this.#asked.delete(slot);
    }
    const slot = slotOf(layer);
    if (this.#asked.has(slot)) return false;
    this.#asked.set(slot, now);
    return true;
  }
}
