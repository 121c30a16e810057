/** When to try again to enter a meeting that was lost. */

import type { Problem } from "./facts.js";

/** Seconds to wait before the first attempts: most outages are short. */
const FIRST_WAITS = [0.1, 0.5, 1] as const;
/** Seconds for which a server keeps a seat that has lost its connection, and to wait before each attempt until then. */
const SEAT_KEPT = 60;
const SEAT_WAIT = 2;
/** Seconds to wait before each attempt after that. */
const LATER_WAIT = 15;
/** Seconds after which nobody waits in front of the page any more. */
export const GIVE_UP = 600;
/** Of a wait, that is left to chance, so that a whole conference does not come back at one moment. */
const SPREAD = 0.3;

/** Problems that pass by themselves. With all others a further attempt would end in the same way. */
const PASSING: ReadonlySet<string> = new Set<Problem["code"]>([
  "unreachable",
  "connection_lost",
  "idle_timeout",
  "slow_consumer",
  "shutdown",
  "maintenance",
  "server_full",
  "rate_limited",
  "room_changed",
  // Until the server notices that we are gone, our old seat counts.
  "room_full",
  "too_many_sessions",
]);

/** Return the seconds to wait before attempt `attempt` (from 1) or undefined to give up; `random` is from 0 to 1. */
export function nextWait(problem: Problem, attempt: number, lostFor: number, random: number): number | undefined {
  if (!PASSING.has(problem.code) || lostFor > GIVE_UP || problem.retryAfter > GIVE_UP) return undefined;
  const usual = FIRST_WAITS[attempt - 1] ?? (lostFor < SEAT_KEPT ? SEAT_WAIT : LATER_WAIT);
  return Math.max(usual, problem.retryAfter) * (1 + SPREAD * random);
}
