/** What is measured on the media path: streams coming down, round trips, loss and delay of both directions. */

import { FORWARD_BITS } from "../../protocol/datagram.js";
import { difference, Unwrapper, wrapped } from "../../protocol/serial.js";
import { LATE, TransitClock } from "../../protocol/transit.js";
import type { PathState } from "../events.js";

/** Seconds that count as of late: some hundred packets of one talker, and soon forgotten. */
export const RECENT = 10.0;
/** Seconds between the counts that are kept for that, at least. */
const RECENT_STEP = 0.5;

/** Return the jitter after another transit time in seconds, in ms (RFC 3550, section 6.4.1). */
function jitterAfter(jitterMs: number, transit: number, before: number | undefined): number {
  return before === undefined ? jitterMs : jitterMs + (Math.abs(transit - before) * 1000 - jitterMs) / 16;
}

/** Counts of one series (stream, layer, variant) of one sealer, by its contiguous forward numbers. */
export class StreamStatistics {
  received = 0;
  /** Came after a later one. */
  reordered = 0;
  /** Came in order, `LATE` or more behind the quickest transit of its sealer. */
  late = 0;
  /** Interarrival jitter by relay times, RFC 3550 section 6.4.1. */
  jitterMs = 0;
  /** Forwarded to this receiver, as far as known. */
  expected = 0;
  /** Lowest forward number since the series began for us, unwrapped; -1 before the first. */
  #first = -1;
  #highest = -1;
  #transit: number | undefined;

  /** Of the expected ones, how many have not arrived. */
  get lost(): number {
    return Math.max(0, this.expected - this.received);
  }

  /** Take the next packet for the first: what was forwarded until it comes was not for us. */
  restart(): void {
    this.#first = this.#highest = -1;
  }

  /**
   * Count a packet: its forward number (u16), transit and delay as `TransitClock` told; return by how much `expected` grew.
   *
   * Transit is undefined where the relay time tells nothing about the way: for a packet that the server held, or sent again,
   * and for one that came behind a later one.
   */
  count(forward: number, transit: number | undefined, delay: number): number {
    this.received++;
    const more = this.#advance(forward);
    this.expected += more;
    if (transit !== undefined) {
      this.jitterMs = jitterAfter(this.jitterMs, transit, this.#transit);
      this.#transit = transit;
      if (delay >= LATE) this.late++;
    }
    return more;
  }

  #advance(forward: number): number {
    if (this.#highest < 0) {
      // A range more, so that one that comes late is not below 0.
      this.#first = this.#highest = forward + 2 ** FORWARD_BITS;
      return 1;
    }
    const step = difference(forward, this.#highest, FORWARD_BITS);
    if (step > 0) {
      this.#highest += step;
      return step;
    }
    this.reordered++;
    const more = Math.max(0, this.#first - (this.#highest + step));
    this.#first -= more;
    return more;
  }
}

interface Mark {
  readonly at: number;
  readonly sent: number;
  readonly lost: number;
}

/** Recent loss in one direction, from counts since the beginning. */
export class LossMeter {
  /** Counts at times, `RECENT / RECENT_STEP` and two at most; the first is the newest that is old enough. */
  readonly #marks: Mark[] = [{ at: -Infinity, sent: 0, lost: 0 }];

  /** Remember the counts as of now. */
  mark(now: number, sent: number, lost: number): void {
    const newest = this.#marks.at(-1);
    if (newest !== undefined && now - newest.at >= RECENT_STEP) this.#marks.push({ at: now, sent, lost });
    while ((this.#marks[1]?.at ?? Infinity) <= now - RECENT) this.#marks.shift();
  }

  /** Return the share, 0 to 1, that was lost of what was sent since `RECENT` before the last mark. */
  recent(sent: number, lost: number): number {
    const before = this.#marks[0] ?? { sent: 0, lost: 0 };
    return sent > before.sent ? Math.min(Math.max(lost - before.lost, 0) / (sent - before.sent), 1) : 0;
  }
}

/** One direction of the path to the server, since the seat was taken. */
export interface DirectionStatistics {
  /** Up: datagrams sent, as far as the server has told of them. Down: packets that the server forwarded to us. */
  readonly packets: number;
  /** Of these, how many did not arrive. */
  readonly lost: number;
  /** Share, 0 to 1, that was lost in the last `RECENT` seconds. */
  readonly recentLoss: number;
  /** Interarrival jitter, RFC 3550 section 6.4.1. Up: of our pings. Down: the highest of all series. */
  readonly jitterMs: number;
  /** Overtaken by what was sent later. Up: pings. Down: packets. */
  readonly reordered: number;
  /** `LATE` or more behind the quickest. Up: pings. Down: packets. */
  readonly late: number;
}

/**
 * How the network does; times in seconds, undefined until measured.
 *
 * What the server does not forward (silence that comes too often, whoever is not among the loudest) is no loss.
 */
export interface NetworkStatistics {
  readonly path: PathState;
  /** Round trip on the media path, smoothed as in RFC 6298. */
  readonly rtt: number | undefined;
  /** Mean deviation of it. */
  readonly rttJitter: number;
  /** Last round trip of the control connection. */
  readonly controlRtt: number | undefined;
  readonly up: DirectionStatistics;
  readonly down: DirectionStatistics;
}

/** The path to the server; times in seconds, undefined until measured. */
export class PathStatistics {
  /** Smoothed as in RFC 6298. */
  rtt: number | undefined;
  /** Mean deviation, as in RFC 6298. */
  rttJitter = 0;
  /** µs to add to our monotonic clock to get the server's, modulo 2^32, by the quickest pong. */
  clockOffset: number | undefined;
  #leastRtt = Infinity;
  #upSent = 0;
  #upLost = 0;
  #upJitterMs = 0;
  #upLate = 0;
  #upReordered = 0;
  readonly #upLoss = new LossMeter();
  readonly #upClock = new TransitClock();
  readonly #serverClock = new Unwrapper();
  #upTransit: number | undefined;

  /** The way to the server. */
  get up(): DirectionStatistics {
    return {
      packets: this.#upSent,
      lost: this.#upLost,
      recentLoss: this.#upLoss.recent(this.#upSent, this.#upLost),
      jitterMs: this.#upJitterMs,
      reordered: this.#upReordered,
      late: this.#upLate,
    };
  }

  /**
   * Take a ping of ours that was answered: when it left by our clock, and when it came by the server's, both in µs modulo
   * 2^32. `overtaken`: something that was sent later came before it.
   */
  pingArrived(sentAt: number, receivedAt: number, overtaken: boolean): void {
    const { transit, delay } = this.#upClock.transit(sentAt, this.#serverClock.next(receivedAt) * 1e-6);
    this.#upJitterMs = jitterAfter(this.#upJitterMs, transit, this.#upTransit);
    this.#upTransit = transit;
    this.#upLate += Number(delay >= LATE);
    this.#upReordered += Number(overtaken);
  }

  /** Count datagrams that a pong tells of: `sent` more, of which the server had not got `lost`. */
  upCounted(sent: number, lost: number, now: number): void {
    this.#upLoss.mark(now, this.#upSent, this.#upLost);
    this.#upSent += sent;
    this.#upLost += lost;
  }

  /** Take a round trip and the clock offset that it gives. */
  measured(rtt: number, offset: number): void {
    if (this.rtt === undefined) [this.rtt, this.rttJitter] = [rtt, rtt / 2];
    else {
      this.rttJitter += (Math.abs(rtt - this.rtt) - this.rttJitter) / 4;
      this.rtt += (rtt - this.rtt) / 8;
    }
    if (rtt <= this.#leastRtt) [this.#leastRtt, this.clockOffset] = [rtt, wrapped(offset)];
  }
}
