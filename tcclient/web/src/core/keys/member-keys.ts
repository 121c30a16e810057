/** The other members as senders: their keys, their packets that wait for a key, what they say in beacons. */

import type { ClockMapping } from "../../protocol/beacon.js";
import { CryptoFailure } from "../../protocol/errors.js";
import { KeyRing, MAX_KEYS, type PublicationId } from "../../protocol/keyring.js";
import { type Header, KEY_NUMBER_BITS, openPacket, spatialOf } from "../../protocol/packet.js";
import { ReplayWindow, SEQUENCE_WINDOW } from "../../protocol/replay.js";
import { type BoxContext, isSameParty, openKeyBox, type Party } from "../../protocol/sender-key.js";
import { wrapped } from "../../protocol/serial.js";
import { sharedKey } from "../../protocol/sodium.js";
import type { SealedPacket } from "../media/packet.js";
import { Claims } from "../membership/claims.js";

/** Seconds for which a packet waits for its sender key: the box comes by TCP and may be a round trip behind. */
export const HOLD = 0.2;
/** Packets of one sender that wait for a key; the oldest go first. */
export const MAX_HELD = 32;
/**
 * Layers of streams tracked for one sender without keys; the oldest is forgotten first: who turns a camera on and off
 * begins three each time. With keys a new one comes before there are so many.
 */
export const MAX_WINDOWS = 64;

/** Stands for a `KeyRing` in a room without end-to-end encryption: only replays are refused. */
export class BareRing {
  readonly #windows = new Map<string, ReplayWindow>();

  /** Return the payload of a packet that is new; throws as `KeyRing.open`. */
  open(header: Header, packet: Uint8Array, publication: PublicationId): Uint8Array {
    const slot = `${publication.number} ${spatialOf(header)}`;
    const window = this.#windows.get(slot) ?? new ReplayWindow(SEQUENCE_WINDOW);
    if (window.check(header.sequence) !== "new") throw new CryptoFailure("the sequence number is not new");
    const payload = openPacket(packet, undefined);
    window.commit(header.sequence);
    this.#windows.set(slot, window);
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= MAX_WINDOWS) break;
      this.#windows.delete(oldest);
    }
    return payload;
  }
}

/** A packet that waits for a key, with its publication. */
interface HeldPacket {
  readonly sealed: SealedPacket;
  readonly publication: PublicationId;
}

/** A verified member other than ourselves. */
export class MemberKeys {
  /** Undefined in a room without end-to-end encryption. */
  readonly ring: KeyRing | undefined;
  readonly claims = new Claims();
  readonly #bare = new BareRing();
  readonly #boxPrivate: Uint8Array;
  readonly #context: BoxContext;
  #shared: Uint8Array | undefined;
  /** Low bits of the key numbers that came, the newest last. */
  #numbers: readonly number[] = [];
  #held: HeldPacket[] = [];

  /** `context` is that of boxes that this member makes for us; `boxPrivate` is of our seat. */
  constructor(
    readonly id: number,
    context: BoxContext,
    boxPrivate: Uint8Array,
  ) {
    this.ring = context.e2ee ? new KeyRing(context.life) : undefined;
    this.#context = context;
    this.#boxPrivate = boxPrivate;
  }

  get party(): Party {
    return this.#context.sender;
  }

  /** The newest clock mapping of each stream. */
  get clocks(): ReadonlyMap<number, ClockMapping> {
    return this.claims.clocks;
  }

  /** Tell whether the sender's beacon is now found to commit to another key than it gave us; once for each key. */
  keyDiffers(now: number): boolean {
    return this.ring !== undefined && this.claims.differs(this.ring, now);
  }

  /** Forget the keys that have expired. */
  forget(now: number): void {
    this.ring?.forget(now);
  }

  /** Return the pair's shared key, made on first use; throws `CryptoFailure` for an unusable box key. */
  shared(): Uint8Array {
    this.#shared ??= sharedKey(this.party.boxKey, this.#boxPrivate);
    return this.#shared;
  }

  /** Return the payload of a packet that is new; throws as `KeyRing.open`. */
  open(header: Header, packet: Uint8Array, publication: PublicationId, now: number): Uint8Array {
    return this.ring?.open(header, packet, publication, now) ?? this.#bare.open(header, packet, publication);
  }

  /**
   * Take a key box; return the number of its key.
   *
   * Throws `CryptoFailure` where it does not open, was made for something else, or its number is not new.
   */
  openBox(box: Uint8Array, now: number): number {
    const opened = openKeyBox(this.#context, box, this.shared());
    if (this.ring?.add(opened, now) !== true) throw new CryptoFailure("the key is not new");
    const { number } = opened.senderKey;
    this.#numbers = [...this.#numbers, wrapped(number, KEY_NUMBER_BITS)].slice(-MAX_KEYS);
    return number;
  }

  /** Tell whether a box with this key number (its low 8 bits) may still come. */
  lacksKey(keyNumber: number): boolean {
    return this.ring !== undefined && !this.#numbers.includes(keyNumber);
  }

  /** Keep a packet until its key comes; tell whether another one had to go for it. */
  hold(sealed: SealedPacket, publication: PublicationId): boolean {
    this.#held.push({ sealed, publication });
    if (this.#held.length <= MAX_HELD) return false;
    this.#held.shift();
    return true;
  }

  /** Return the packets whose key has come, with their publications, and how many have waited too long. */
  released(now: number): { readonly ready: readonly HeldPacket[]; readonly expired: number } {
    const fresh = this.#held.filter(({ sealed }) => now < sealed.receivedAt + HOLD);
    const expired = this.#held.length - fresh.length;
    this.#held = fresh.filter(({ sealed }) => this.lacksKey(sealed.header.keyNumber));
    return { ready: fresh.filter(({ sealed }) => !this.lacksKey(sealed.header.keyNumber)), expired };
  }
}

/** What `MemberKeyTable.follow` has changed. */
export interface Followed {
  /** Ids of those that are gone, or not verified any more. */
  readonly gone: readonly number[];
  readonly come: readonly MemberKeys[];
}

/** The keys of the other verified members, by participant. */
export class MemberKeyTable extends Map<number, MemberKeys> {
  readonly #context: Omit<BoxContext, "sender">;
  readonly #boxPrivate: Uint8Array;

  /** `context` is that of boxes that are made for us; `boxPrivate` is of our seat. */
  constructor(context: Omit<BoxContext, "sender">, boxPrivate: Uint8Array) {
    super();
    this.#context = context;
    this.#boxPrivate = boxPrivate;
  }

  /** Keep the members that are verified now, by participant; forget the others. */
  follow(verified: ReadonlyMap<number, Party>): Followed {
    const gone = [...this.values()]
      .filter(({ id, party }) => !isSameParty(party, verified.get(id)))
      .map(({ id }) => id);
    for (const id of gone) this.delete(id);
    const come = [...verified]
      .filter(([id]) => !this.has(id))
      .map(([id, sender]) => new MemberKeys(id, { ...this.#context, sender }, this.#boxPrivate));
    for (const member of come) this.set(member.id, member);
    return { gone, come };
  }
}
