/** What the browser remembers: our device key, the servers and the devices that we know. In IndexedDB, for the worker. */

import { type DevicePin, MAX_DEVICES } from "../core/membership/pins.js";
import { equal } from "../protocol/bytes.js";

const DATABASE = "teleconference";
const VERSION = 1;
const OWN = "own";

/** The identity of this browser. The private half cannot be read, by nobody. */
export interface Device {
  /** 32 bytes. */
  readonly public: Uint8Array;
  /** Return the Ed25519 signature of `bytes`, 64 bytes. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** The browser lacks what the engine needs; `message` says what. */
export class Unsupported extends Error {}

/** The database; where the browser gives none, as some do in private windows, all is forgotten with the page. */
export class Trust {
  private constructor(private readonly database: IDBDatabase | undefined) {}

  static async open(): Promise<Trust> {
    try {
      const request = indexedDB.open(DATABASE, VERSION);
      request.onupgradeneeded = () => {
        for (const store of ["device", "servers", "devices"]) request.result.createObjectStore(store);
      };
      return new Trust(await done(request));
    } catch {
      return new Trust(undefined);
    }
  }

  /** Return the identity of this browser, which is made at the first time. Rejects with `Unsupported`. */
  async device(): Promise<Device> {
    const pair = (await this.get<CryptoKeyPair>("device", OWN)) ?? (await this.makeDevice());
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return {
      public: raw,
      sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, bytes.slice())),
    };
  }

  /** Return the fingerprint of the server that is known under an address, as text. */
  async server(address: string): Promise<string | undefined> {
    return await this.get<string>("servers", address);
  }

  async rememberServer(address: string, fingerprint: string): Promise<void> {
    await this.put("servers", address, fingerprint);
  }

  /** Return the devices that are known of the server of this fingerprint, those seen first at the front. */
  async devices(fingerprint: string): Promise<readonly DevicePin[]> {
    return (await this.get<readonly DevicePin[]>("devices", fingerprint)) ?? [];
  }

  /** Remember devices beside those that other windows remembered meanwhile; of an account's, the newest. */
  async rememberDevices(fingerprint: string, pins: readonly DevicePin[]): Promise<void> {
    if (pins.length === 0) return;
    await this.put("devices", fingerprint, joined(await this.devices(fingerprint), pins));
  }

  private async makeDevice(): Promise<CryptoKeyPair> {
    let pair: CryptoKeyPair;
    try {
      pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
    } catch (error) {
      throw new Unsupported(`this browser cannot make an Ed25519 key: ${String(error)}`);
    }
    await this.put("device", OWN, pair);
    return pair;
  }

  private async get<T>(store: string, key: string): Promise<T | undefined> {
    if (this.database === undefined) return undefined;
    return (await done(this.database.transaction(store).objectStore(store).get(key))) as T | undefined;
  }

  private async put(store: string, key: string, value: unknown): Promise<void> {
    if (this.database === undefined) return;
    await done(this.database.transaction(store, "readwrite").objectStore(store).put(value, key));
  }
}

function joined(known: readonly DevicePin[], pins: readonly DevicePin[]): DevicePin[] {
  const isNew = (pin: DevicePin): boolean =>
    !pins.some((other) => other.account === pin.account && equal(other.deviceKey, pin.deviceKey));
  const all = [...known.filter(isNew), ...pins];
  const counts = new Map<string, number>();
  const kept = all.reverse().filter(({ account }) => {
    counts.set(account, (counts.get(account) ?? 0) + 1);
    return (counts.get(account) ?? 0) <= MAX_DEVICES;
  });
  return kept.reverse();
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error("the database of the browser failed"));
    };
  });
}
