/** The media path of a seat: session keys, proof of the path, pings. */

import { type DatagramHeader, type Item, ItemType, KEY_OVERLAP, openDatagram } from "../../protocol/datagram.js";
import { CryptoFailure } from "../../protocol/errors.js";
import {
  packPing,
  packPong,
  parsePing,
  parsePong,
  PATH_SILENCE,
  PATH_TOKEN_SIZE,
  PING_INTERVAL_CALL,
  PING_INTERVAL_IDLE,
  PING_INTERVAL_LOST,
  PING_INTERVAL_SILENT,
  PING_NUMBER_BITS,
  PING_PATIENCE,
  type PongItem,
} from "../../protocol/path.js";
import { ReplayWindow, SESSION_WINDOW } from "../../protocol/replay.js";
import { clockUs, wrapped } from "../../protocol/serial.js";
import type { Drops } from "../drops.js";
import type { PathState } from "../events.js";
import type { Egress, UpKey } from "./egress.js";
import { PathStatistics } from "../media/statistics.js";

/** Seconds between the first pings, of which one may be lost; the last interval repeats. */
const PROOF_INTERVALS = [0.2, 0.3, 0.5] as const;
/** Seconds without an answer to the first pings after which the path counts as blocked, and pings come as in a call. */
export const PROOF_TIMEOUT = 5.0;
/** Seconds between pings out of turn: whoever can make us send them gets ten a second. */
export const POSITION_INTERVAL = 0.1;
/** Pings whose pongs are waited for: those of a path that falls silent; the oldest are forgotten first. */
export const MAX_UNANSWERED = 32;

/** The keys of the media path. */
export interface SessionKeys extends UpKey {
  readonly downKey: Uint8Array;
}

class DownKey {
  readonly window = new ReplayWindow(SESSION_WINDOW);
  until = Infinity;

  constructor(readonly key: Uint8Array) {}
}

/** A ping without a pong. */
interface Unanswered {
  readonly sentAt: number;
  readonly epoch: number;
  readonly counter: number;
}

/**
 * Opens down datagrams, and knows whether the path works; what it sends goes to `egress`.
 *
 * The state stops nothing: what is sent while the path is not proved, or lost, may arrive all the same.
 */
export class MediaPath {
  state: PathState = "unknown";
  readonly statistics = new PathStatistics();
  /** Whether anything is published or subscribed, which decides how often to ping. */
  isOnCall = true;
  /** When `handleTimeout` is due: at once, at first. */
  nextDeadline = 0;
  readonly #egress: Egress;
  readonly #drops: Drops;
  /** By epoch. */
  readonly #down: Map<number, DownKey>;
  #downCount = 0;
  /** By number. */
  readonly #pings = new Map<number, Unanswered>();
  #number = 0;
  #pingedAt = 0;
  /** When the first ping was sent since anything came. */
  #silentSince: number | undefined;
  #positionAskedAt = -Infinity;
  #startedAt: number | undefined;
  /** Epoch, highest counter and count of the pong before, which give the loss since. */
  #covered: { readonly epoch: number; readonly highest: number; readonly received: number };

  constructor(egress: Egress, downKey: Uint8Array, drops: Drops) {
    this.#egress = egress;
    this.#drops = drops;
    this.#down = new Map([[egress.epoch, new DownKey(downKey)]]);
    this.#covered = { epoch: egress.epoch, highest: 0, received: 0 };
  }

  get mediaId(): number {
    return this.#egress.mediaId;
  }

  /** Use new keys. The old down key is good for the overlap; an epoch that is still known changes nothing. */
  rekey(keys: SessionKeys, now: number): void {
    const known = this.#down.get(keys.epoch);
    if (known !== undefined && now < known.until) return;
    for (const held of this.#down.values()) held.until = Math.min(held.until, now + KEY_OVERLAP);
    this.forget(now);
    this.#down.set(keys.epoch, new DownKey(keys.downKey));
    this.#egress.rekey(keys);
  }

  /** Forget the down keys whose overlap is over. */
  forget(now: number): void {
    for (const [epoch, held] of this.#down) {
      if (now >= held.until) this.#down.delete(epoch);
    }
  }

  /** Use another media id with its keys, and prove the path anew, at once. */
  move(keys: SessionKeys, now: number): void {
    this.rekey(keys, now);
    this.#restart(now);
  }

  /** Prove the path anew, at once. */
  #restart(now: number): void {
    this.state = "unknown";
    this.nextDeadline = now;
    this.#startedAt = this.#silentSince = undefined;
    this.#number = 0;
    this.#pings.clear();
  }

  /** Return the plaintext of a down datagram, or undefined where it was dropped. */
  open(header: DatagramHeader, data: Uint8Array, now: number): Uint8Array | undefined {
    const held = this.#down.get(header.epoch);
    if (held === undefined || now >= held.until) {
      this.#drops.add("unknown_epoch");
      return undefined;
    }
    if (held.window.check(header.counter) !== "new") {
      this.#drops.add("replay");
      return undefined;
    }
    try {
      const plaintext = openDatagram(data, held.key);
      this.#downCount++;
      this.hear();
      held.window.commit(header.counter);
      return plaintext;
    } catch (error) {
      if (!(error instanceof CryptoFailure)) throw error;
      this.#drops.add("not_opened");
      return undefined;
    }
  }

  /** Take note of a datagram of either kind that opened: the way down works. */
  hear(): void {
    if (this.#silentSince === undefined || this.state === "unknown") return;
    this.state = "ok";
    this.#silentSince = undefined;
    this.nextDeadline = this.#pingedAt + this.#interval();
  }

  /** Act on an item of a down datagram; throws `RangeError` where it is malformed. */
  handleItem({ type, value }: Item, now: number): void {
    if (type === ItemType.PONG) this.#pong(parsePong(value), now);
    else if (type === ItemType.PING) this.#answer(value, now);
    else if (type === ItemType.PATH_CHALLENGE) {
      if (value.length !== PATH_TOKEN_SIZE) throw new RangeError("path challenge of a wrong length");
      this.#egress.send({ type: ItemType.PATH_RESPONSE, value });
      this.#pings.clear();
      this.#proven(now);
    }
  }

  /** Send the ping that is due, and notice that the path is lost. */
  handleTimeout(now: number): void {
    if (now < this.nextDeadline) return;
    this.#startedAt ??= now;
    const silentFor = this.#silentSince === undefined ? 0 : now - this.#silentSince;
    const isSilent = this.state === "ok" && silentFor >= PATH_SILENCE;
    const isBlocked = this.state === "unknown" && now >= this.#startedAt + PROOF_TIMEOUT;
    if (isSilent || isBlocked) this.state = "lost";
    this.#number = wrapped(this.#number + 1, PING_NUMBER_BITS);
    this.#pings.set(this.#number, { sentAt: now, epoch: this.#egress.epoch, counter: this.#egress.counter });
    for (const number of this.#pings.keys()) {
      if (this.#pings.size > MAX_UNANSWERED) this.#pings.delete(number);
    }
    this.#ping(now);
    this.#pingedAt = now;
    this.#silentSince ??= now;
    this.nextDeadline = now + this.#interval();
  }

  /**
   * Ping out of turn for the positions beside the pong, unless that was just done. A lost one counts as nothing.
   *
   * So a window that was left behind in an outage follows within a round trip.
   */
  askPosition(now: number): void {
    if (now < this.#positionAskedAt + POSITION_INTERVAL) return;
    this.#positionAskedAt = now;
    this.#ping(now);
  }

  #ping(now: number): void {
    this.#egress.send({ type: ItemType.PING, value: packPing({ number: this.#number, time: clockUs(now) }) });
  }

  #answer(value: Uint8Array, now: number): void {
    const { number, time } = parsePing(value);
    const highest = Math.max(0, this.#down.get(this.#egress.epoch)?.window.highest ?? 0);
    const pong = { number, time, receivedAt: clockUs(now), highest, received: wrapped(this.#downCount) };
    this.#egress.send({ type: ItemType.PONG, value: packPong(pong) });
  }

  /** Return the seconds from the latest ping to the next one. */
  #interval(): number {
    if (this.state === "unknown") return PROOF_INTERVALS[Math.min(this.#number, 3) - 1] ?? PROOF_INTERVALS[2];
    if (this.state === "lost") return PING_INTERVAL_LOST;
    if (this.#silentSince === undefined) return this.isOnCall ? PING_INTERVAL_CALL : PING_INTERVAL_IDLE;
    return this.#pingedAt < this.#silentSince + PING_PATIENCE ? PING_PATIENCE : PING_INTERVAL_SILENT;
  }

  #pong(pong: PongItem, now: number): void {
    const ping = this.#pings.get(pong.number);
    if (ping === undefined || pong.time !== clockUs(ping.sentAt)) return;
    for (const [number, { sentAt }] of this.#pings) {
      if (sentAt <= ping.sentAt) this.#pings.delete(number);
    }
    const rtt = now - ping.sentAt;
    this.statistics.measured(rtt, pong.receivedAt - clockUs(now - rtt / 2));
    const { epoch } = this.#egress;
    const sent = pong.highest - this.#covered.highest;
    const arrived = wrapped(pong.received - this.#covered.received);
    if (this.#covered.epoch === epoch && arrived <= sent) this.statistics.upCounted(sent, sent - arrived, now);
    this.statistics.pingArrived(pong.time, pong.receivedAt, ping.epoch === epoch && pong.highest > ping.counter);
    this.#covered = { epoch, highest: pong.highest, received: pong.received };
    this.#proven(now);
  }

  #proven(now: number): void {
    if (this.state === "ok") return;
    this.state = "ok";
    this.#silentSince = undefined;
    this.nextDeadline = Math.min(this.nextDeadline, now + PING_INTERVAL_CALL);
  }
}
