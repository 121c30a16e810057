/** A person's attendance: in, through losses of the connection, and out. For the worker. */

import type { Closed, DeriveKey, Detached, Event } from "../core/events.js";
import { Lives } from "../core/membership/lives.js";
import { DevicePins } from "../core/membership/pins.js";
import { Session } from "../core/session.js";
import { deriveAccountKey, warmUpDerivation } from "../protocol/account.js";
import { hex } from "../protocol/bytes.js";
import { CODES, type ErrorCode } from "../protocol/errors.js";
import { formatFingerprint, parseFingerprint, type SigningKey } from "../protocol/identity.js";
import { ready as sodiumReady } from "../protocol/sodium.js";
import type { Entry, Report } from "./commands.js";
import { Connection, monotonic } from "./connection.js";
import type { Phase, Problem } from "./facts.js";
import { nextWait } from "./rejoin.js";
import { Stay } from "./stay.js";
import { SOUND } from "./subscription.js";
import { type Device, Trust, Unsupported } from "./trust.js";

/** What the browser remembers, and our device among it. */
interface Memory {
  readonly trust: Trust;
  readonly device: Device;
}

type Tell = (report: Report, transfer?: Transferable[]) => void;

export class Attendance {
  private readonly lives = new Lives();
  /** What is done in the room. */
  readonly stay: Stay;
  private opened: Promise<Memory> | undefined;
  private entry: Entry | undefined;
  /** Cleared as soon as the account key is there. */
  private password = "";
  private readonly accountKeys = new Map<string, SigningKey>();
  private device: Device | undefined;
  private session: Session | undefined;
  private connection: Connection | undefined;
  private pins = new DevicePins([]);
  private phase: Phase = { name: "outside" };
  private attempt = 0;
  private lostAt = 0;
  private waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly tell: Tell) {
    this.stay = new Stay(tell, (derivation, key) => this.accountKeys.set(nameOf(derivation), key));
  }

  /** Do what can be done while the person types: load what the browser remembers, and have the key derivation compiled. */
  prepare(): void {
    if (this.opened !== undefined) return;
    this.opened = remember();
    this.opened.catch(() => undefined); // told when somebody enters
    void sodiumReady.then(warmUpDerivation);
  }

  /** Enter a room; the reports tell how it goes. */
  async join(entry: Entry): Promise<void> {
    this.entry = entry;
    this.password = entry.password;
    this.stay.setDataSaver(entry.dataSaver);
    this.attempt = 0;
    this.accountKeys.clear();
    this.enter({ name: "joining" });
    this.prepare();
    try {
      await sodiumReady;
      const { trust, device } = await (this.opened as Promise<Memory>);
      this.device = device;
      const fingerprint = entry.fingerprint ?? (await trust.server(entry.socket)) ?? (await configured(entry.socket));
      if (this.phase.name !== "joining" || this.entry !== entry) return;
      this.begin(entry, device, fingerprint === undefined ? undefined : parseFingerprint(fingerprint));
    } catch (error) {
      // A fingerprint that is none: a link that was cut off names no server.
      const code = error instanceof RangeError ? "wrong_server" : "internal";
      this.end(problem(error instanceof Unsupported ? "no_webcodecs" : code, String(error)));
    }
  }

  leave(): void {
    this.session?.close();
    this.end(problem("left", ""));
  }

  /** The page noticed that the machine slept, or has another network: look at once whether the connection still works. */
  awake(): void {
    if (this.phase.name === "returning") this.retry();
    this.session?.hintNetworkChanged(monotonic());
    this.connection?.pump();
  }

  // The connection

  private begin(entry: Entry, device: Device, fingerprint: Uint8Array | undefined): void {
    const environment = {
      device: device.public,
      randomBytes: (size: number) => crypto.getRandomValues(new Uint8Array(size)),
      lives: this.lives,
    };
    this.session = new Session({ fingerprint, sources: SOUND }, environment, monotonic());
    this.connect(entry, this.session, device);
  }

  private connect(entry: Entry, session: Session, device: Device): void {
    this.connection = new Connection(entry.socket, session, {
      happened: (event) => this.happened(entry, session, event),
      received: (packets) => this.stay.received(packets),
      sign: (bytes) => device.sign(bytes),
    });
  }

  private happened(entry: Entry, session: Session, event: Event): void {
    this.stay.happened(event);
    switch (event.type) {
      case "serverKey":
        this.serverKnown(entry, session, event.trusted);
        break;
      case "wrongServerKey":
        this.end(problem("wrong_server", formatFingerprint(event.found)));
        break;
      case "deriveKey":
        this.deriveKey(session, event);
        break;
      case "loggedIn":
        this.password = "";
        this.enterRoom(entry, session);
        break;
      case "joinFailed":
      case "loginFailed":
        this.refused(session, problem(event.code, event.text, event.retryAfterMs));
        break;
      case "joined":
        this.joined(session);
        break;
      case "resumed":
        this.attempt = 0;
        this.enter({ name: "inside" });
        break;
      case "resumeFailed":
        this.stay.left();
        this.logIn(entry, session);
        break;
      case "evicted":
        session.close();
        this.end(problem(event.code, event.text));
        break;
      case "closed":
        if (event.dishonest) this.end(problem("dishonest_server", event.text));
        else if (event.action === "stop") this.end(problem(event.code ?? "internal", event.text, event.retryAfterMs));
        else this.lost(this.lossOf(event));
        break;
      case "detached":
        this.lost(this.lossOf(event));
        break;
      case "participantJoined":
        void this.rememberDevices();
        break;
    }
  }

  private serverKnown(entry: Entry, session: Session, trusted: boolean): void {
    // This page and its code came from the same host by HTTPS: who could make up a key could have made up the page.
    if (!trusted) session.trustServer(monotonic());
    if (session.seated) {
      session.resume();
      return;
    }
    const fingerprint = formatFingerprint(session.serverFingerprint);
    void this.opened?.then(async ({ trust }) => {
      await trust.rememberServer(entry.socket, fingerprint);
      this.pins = new DevicePins(await trust.devices(fingerprint));
    });
    this.logIn(entry, session);
  }

  private logIn(entry: Entry, session: Session): void {
    try {
      session.beginLogin(entry.account, entry.name);
    } catch (error) {
      this.refused(session, problem("bad_name", String(error)));
    }
  }

  private enterRoom({ room, e2ee }: Entry, session: Session): void {
    try {
      session.join({ room, unixMs: Date.now(), e2ee });
    } catch (error) {
      this.refused(session, problem("bad_name", String(error)));
    }
  }

  /** Answer with the account key; after the first login the password is not needed, and not kept. */
  private deriveKey(session: Session, derivation: DeriveKey): void {
    const name = nameOf(derivation);
    const { salt, memoryBytes, passes } = derivation;
    try {
      const key = this.accountKeys.get(name) ?? deriveAccountKey(this.password, salt, memoryBytes, passes);
      this.accountKeys.set(name, key);
      session.accountKeyDerived(key);
    } catch (error) {
      // An empty password: none was typed, or the account got another one while we were away.
      const code = this.phase.name === "returning" ? "credentials_changed" : "bad_credentials";
      session.close();
      this.end(problem(code, String(error)));
    }
  }

  private refused(session: Session, reason: Problem): void {
    if (this.phase.name === "returning") {
      // What refuses the entry now may pass, such as a room that is full until our old seat is given up.
      this.drop(session);
      this.lost(reason);
      return;
    }
    session.close();
    this.end(reason);
  }

  private drop(session: Session): void {
    session.close();
    this.connection?.close();
    this.connection = undefined;
  }

  private joined(session: Session): void {
    if (this.connection === undefined) return;
    this.attempt = 0;
    this.enter({ name: "inside" });
    this.stay.entered(session, this.connection, this.pins);
  }

  private lossOf({ code, text, retryAfterMs }: Closed | Detached): Problem {
    const silent = this.connection?.opened === true ? "connection_lost" : "unreachable";
    return problem(code ?? silent, text, retryAfterMs);
  }

  private lost(reason: Problem): void {
    const before = this.phase.name;
    if (this.session?.seated !== true) this.stay.left();
    if (before !== "inside" && before !== "returning") {
      if (before === "joining") this.end(reason);
      return;
    }
    const now = monotonic();
    if (before === "inside") this.lostAt = now;
    this.attempt += 1;
    const wait = nextWait(reason, this.attempt, now - this.lostAt, Math.random());
    if (wait === undefined) {
      this.end(reason);
      return;
    }
    this.enter({ name: "returning", attempt: this.attempt, reason });
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.retry(), wait * 1000);
  }

  private retry(): void {
    clearTimeout(this.waiting);
    const { entry, session, device } = this;
    if (this.phase.name !== "returning" || entry === undefined || session === undefined || device === undefined) return;
    const isDetached = session.phase === "detached";
    if (!isDetached && session.phase !== "closed") return;
    session.reconnect(monotonic());
    if (isDetached) this.connection?.open();
    else this.connect(entry, session, device);
  }

  private end(reason: Problem): void {
    clearTimeout(this.waiting);
    this.stay.left();
    this.connection?.close();
    this.connection = undefined;
    this.session = undefined;
    this.password = "";
    this.accountKeys.clear();
    this.enter({ name: "ended", reason });
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    this.tell({ type: "phase", phase });
  }

  private async rememberDevices(): Promise<void> {
    const pins = this.pins.unsaved();
    const fingerprint = this.session?.serverFingerprint;
    if (pins.length === 0 || fingerprint === undefined) return;
    await (await this.opened)?.trust.rememberDevices(formatFingerprint(fingerprint), pins);
  }
}

async function remember(): Promise<Memory> {
  const trust = await Trust.open();
  return { trust, device: await trust.device() };
}

/** Name an account key by all that it is derived from besides the password. */
function nameOf({ salt, memoryBytes, passes }: DeriveKey): string {
  return `${hex(salt)} ${memoryBytes} ${passes}`;
}

/** Return a problem as the page has a sentence for it. */
export function problem(code: Problem["code"], detail: string, retryAfterMs = 0): Problem {
  const text = detail || (code in CODES ? CODES[code as ErrorCode].text : code);
  return { code, detail: text, retryAfter: retryAfterMs / 1000 };
}

/** Return the fingerprint that the server's page tells; undefined where it tells none. */
async function configured(socket: string): Promise<string | undefined> {
  const address = new URL("/config.json", socket.replace(/^ws/, "http"));
  try {
    const response = await fetch(address, { cache: "no-store" });
    const config: unknown = await response.json();
    const value =
      typeof config === "object" && config !== null && "fingerprint" in config ? config.fingerprint : undefined;
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
