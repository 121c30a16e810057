/** How good our connection is for speech, and what would make it better: from loss, jitter and round trips. */

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

/**
 * What could be done about a poor connection.
 *
 * - `camera_off`: the way to the server is poor, and we send pictures; without them there is more room for our sound.
 * - `uplink`: it is poor, though we send no pictures; others hear us badly.
 * - `fewer_pictures`: the way from the server is poor, and pictures come; with fewer of them there is more room for sound.
 * - `downlink`: it is poor, though no pictures come; we hear others badly.
 * - `delay`: little is lost, but it takes long; people begin to speak at the same time.
 */
export type Advice = "camera_off" | "uplink" | "fewer_pictures" | "downlink" | "delay";

export interface ConnectionFigures {
  readonly path: "unknown" | "ok" | "lost";
  /** Seconds. */
  readonly rtt: number | undefined;
  readonly up: DirectionStatistics;
  readonly down: DirectionStatistics;
}

/** What the connection is used for. */
export interface ConnectionUse {
  readonly sendsPictures: boolean;
  readonly getsPictures: boolean;
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

/** Our connection: its quality, and advice where something could be done. */
export class QualityMeter {
  quality: Quality = "unknown";
  advice: Advice | undefined;
  #better: Quality = "unknown";
  #betterSince = Infinity;

  /** Take the figures as of now, each second; return whether the quality has changed. */
  look({ path, rtt = 0, up, down }: ConnectionFigures, use: ConnectionUse, now: number): boolean {
    if (path === "unknown") return false;
    const before = this.quality;
    const [upScore, downScore] = [up, down].map(({ recentLoss, jitterMs }) => score(recentLoss, jitterMs, rtt));
    const least = Math.min(upScore ?? 1, downScore ?? 1);
    this.#settle(path === "lost" ? "lost" : graded(least), now);
    if (this.quality !== "poor") this.advice = undefined;
    else if (least < GOOD) {
      const loses = [up, down].some(({ recentLoss }) => score(recentLoss, 0, 0) < GOOD);
      const isUp = upScore === least;
      if (!loses) this.advice = "delay";
      else if (isUp) this.advice = use.sendsPictures ? "camera_off" : "uplink";
      else this.advice = use.getsPictures ? "fewer_pictures" : "downlink";
    }
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
