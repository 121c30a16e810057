/** Which devices an account has been seen with on one server (PROTOCOL.md, section 5): what is known comes in, news goes out. */

import { equal } from "../../protocol/bytes.js";

/**
 * Accounts remembered of one server. No account is forgotten for another: a server could make up accounts until the one that
 * it wants to speak for is a first acquaintance again.
 */
export const MAX_ACCOUNTS = 4096;
/** Devices remembered of one account: five at once, and some years; the one that was seen first goes first. */
export const MAX_DEVICES = 32;

/**
 * How a device stands to what is known of its account.
 *
 * - `first`: nothing is known of the account: trust on first use.
 * - `new`: the account is known, and not with this device.
 */
export type Acquaintance = "known" | "first" | "new";

/** An account (folded) and the public key of a device of its (32 bytes). */
export interface DevicePin {
  readonly account: string;
  readonly deviceKey: Uint8Array;
}

/** The devices of accounts on one server, in the order in which they were first seen. */
export class DevicePins {
  /** Whether an account could not be remembered. */
  isFull = false;
  readonly #devices = new Map<string, readonly Uint8Array[]>();
  #unsaved: DevicePin[] = [];

  /** `known` is what was remembered before, in the order of `unsaved`. */
  constructor(known: Iterable<DevicePin>) {
    for (const pin of known) this.meet(pin.account, pin.deviceKey);
    this.#unsaved = [];
  }

  /**
   * Compare a verified member with what is known, and remember it; each device is news once.
   *
   * A device that was forgotten for its account's newer ones is news again.
   */
  meet(account: string, deviceKey: Uint8Array): Acquaintance {
    const devices = this.#devices.get(account);
    if (devices === undefined && this.#devices.size >= MAX_ACCOUNTS) {
      this.isFull = true;
      return "first";
    }
    if (devices?.some((known) => equal(known, deviceKey))) return "known";
    this.#devices.set(account, [...(devices ?? []), deviceKey].slice(-MAX_DEVICES));
    this.#unsaved.push({ account, deviceKey });
    return devices === undefined ? "first" : "new";
  }

  /** Return what has been remembered since the last call, to be written down. */
  unsaved(): DevicePin[] {
    const pins = this.#unsaved;
    this.#unsaved = [];
    return pins;
  }
}
