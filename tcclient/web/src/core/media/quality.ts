/** How good our connection is for speech: from loss, jitter and round trips. */

import type { Quality } from "../../protocol/messages.js";
import type { DirectionStatistics } from "./statistics.js";

/** Seconds for which a connection has to be better until that is told. What is worse is told at once. */
export const BETTER_AFTER = 5;
/** Least scores of these qualities. */
const EXCELLENT = 4;
const GOOD = 3;
/** ms of a frame and of the least jitter buffer. */
const OWN_DELAY = 60;
/** How well a codec stands packet loss: ITU-T G.113 has 4.3 for one without concealment, and 25.1 for the best. */
const ROBUSTNESS = 10;
const ORDER: readonly Quality[] = ["lost", "poor", "good", "excellent", "unknown"];

export interface ConnectionFigures {
  readonly path: "unknown" | "ok" | "lost";
  /** Seconds. */
  readonly rtt: number | undefined;
  readonly up: DirectionStatistics;
  readonly down: DirectionStatistics;
}

/**
 * Return the mean opinion score to expect of speech in one direction, 1 to 4.5.
 *
 * It is the E-model of ITU-T G.107 with its defaults, in the simplified form of Cole and Rosenbluth (2001). `loss` is a
 * share from 0 to 1, `rtt` in seconds.
 */
export function score(loss: number, jitterMs: number, rtt: number): number {
  const delay = (rtt / 2) * 1000 + 2 * jitterMs + OWN_DELAY;
  const impairment = 0.024 * delay + 0.11 * Math.max(0, delay - 177.3) + (95 * loss) / (loss + ROBUSTNESS / 100);
  const rating = Math.min(Math.max(93.2 - impairment, 0), 100);
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6);
}

export class QualityMeter {
  quality: Quality = "unknown";
  #better: Quality = "unknown";
  #betterSince = Infinity;

  /** Take the figures as of now, each second; return whether the quality has changed. */
  look({ path, rtt = 0, up, down }: ConnectionFigures, now: number): boolean {
    if (path === "unknown") return false;
    const before = this.quality;
    const scores = [up, down].map((direction) => score(direction.recentLoss, direction.jitterMs, rtt));
    this.#settle(path === "lost" ? "lost" : graded(Math.min(...scores)), now);
    return this.quality !== before;
  }

  #settle(found: Quality, now: number): void {
    if (this.quality !== "lost" && ORDER.indexOf(found) > ORDER.indexOf(this.quality)) {
      if (ORDER.indexOf(found) < ORDER.indexOf(this.#better)) this.#better = found;
      this.#betterSince = Math.min(this.#betterSince, now);
      if (now < this.#betterSince + BETTER_AFTER) return;
      found = this.#better;
    }
    [this.quality, this.#better, this.#betterSince] = [found, "unknown", Infinity];
  }
}

function graded(score: number): Quality {
  if (score >= EXCELLENT) return "excellent";
  return score >= GOOD ? "good" : "poor";
}
