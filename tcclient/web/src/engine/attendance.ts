/** A person's attendance: in, through losses of the connection, and out. For the worker. */

import type { Event } from "../core/events.js";
import type { MediaPacket } from "../core/media/packet.js";
import { Lives } from "../core/membership/lives.js";
import { DevicePins } from "../core/membership/pins.js";
import { type Seat, Session } from "../core/session.js";
import { deriveAccountKey } from "../protocol/account.js";
import { hex } from "../protocol/bytes.js";
import { CODES, type ErrorCode } from "../protocol/errors.js";
import { formatFingerprint, parseFingerprint, type SigningKey } from "../protocol/identity.js";
import { ready as sodiumReady } from "../protocol/sodium.js";
import { DownlinkAdaptation } from "./adaptation.js";
import type { Entry, OwnMedia, PictureSource, Report, Request } from "./commands.js";
import { Connection, monotonic } from "./connection.js";
import type { Degraded, ParticipantId, Phase, Problem, WantedPicture } from "./facts.js";
import { PublishingDesk } from "./publishing.js";
import { Reception } from "./receiving.js";
import { nextWait } from "./rejoin.js";
import { Requests } from "./requests.js";
import { RoomView } from "./room-view.js";
import { choicesOf, SOUND, wantedStreams } from "./subscription.js";
import { type Device, Trust, Unsupported } from "./trust.js";

/** Milliseconds for which changes of people are collected. */
const TELL_DELAY = 50;
/** Milliseconds between looks at pictures that wait and at what the way up carries. */
const TEND_INTERVAL = 100;
/** Of these, those in a second. */
const TENDS_PER_SECOND = 10;

type Tell = (report: Report, transfer?: Transferable[]) => void;

export class Attendance {
  private readonly lives = new Lives();
  private readonly desk: PublishingDesk;
  private readonly reception: Reception;
  private readonly requests: Requests;
  private trust: Promise<Trust> | undefined;
  private entry: Entry | undefined;
  /** Cleared as soon as the account key is there. */
  private password = "";
  private accountKey: { readonly salt: string; readonly key: SigningKey } | undefined;
  private device: Device | undefined;
  private session: Session | undefined;
  private connection: Connection | undefined;
  private view: RoomView | undefined;
  private pins = new DevicePins([]);
  private phase: Phase = { name: "outside" };
  private attempt = 0;
  private lostAt = 0;
  private waiting: ReturnType<typeof setTimeout> | undefined;
  private telling: ReturnType<typeof setTimeout> | undefined;
  private tending: ReturnType<typeof setInterval> | undefined;
  private tends = 0;
  private downlink = new DownlinkAdaptation();
  private wanted: readonly WantedPicture[] = [];
  private subscribed = "";
  private dataSaver = false;
  private mostLines = 720;
  private droppedPictures = 0;
  private bytes = { sent: 0, received: 0 };

  constructor(private readonly tell: Tell) {
    this.desk = new PublishingDesk({
      pump: () => this.connection?.pump(),
      publishing: (media, state) => tell({ type: "publishing", media, state }),
      speakingWhileMuted: (on) => tell({ type: "speakingWhileMuted", on }),
      codecFailed: (media) => tell({ type: "publishing", media, state: "refused" }),
    });
    this.reception = new Reception({
      clockOf: (participant, stream) => {
        const clock = this.seat?.memberKeys.get(participant)?.clocks.get(stream);
        return clock && { timestamp: clock.timestamp, time: clock.time / 1e6 };
      },
      askKeyframe: (stream, spatial) => {
        this.seat?.requestKeyframe(stream, spatial, monotonic());
        this.connection?.pump();
      },
      picture: (participant, source, frame, showAt) => {
        const at = performance.timeOrigin + showAt * 1000;
        tell({ type: "picture", participant, source, frame, showAt: at }, [frame]);
      },
      pictureEnded: (participant, source) => tell({ type: "pictureEnded", participant, source }),
    });
    this.requests = new Requests((number, problem) => tell({ type: "answer", number, problem }));
  }

  /** Load the cryptography and what the browser remembers. */
  prepare(): void {
    void sodiumReady;
    this.trust ??= Trust.open();
  }

  /** Enter a room; the reports tell how it goes. */
  async join(entry: Entry): Promise<void> {
    this.entry = entry;
    this.password = entry.password;
    this.dataSaver = entry.dataSaver;
    this.attempt = 0;
    this.accountKey = undefined;
    this.enter({ name: "joining" });
    this.prepare();
    try {
      await sodiumReady;
      const trust = await (this.trust as Promise<Trust>);
      this.device = await trust.device();
      const fingerprint = entry.fingerprint ?? (await trust.server(entry.socket)) ?? (await configured(entry.socket));
      if (this.phase.name !== "joining" || this.entry !== entry) return;
      this.begin(entry, this.device, fingerprint === undefined ? undefined : parseFingerprint(fingerprint));
    } catch (error) {
      this.end(problem(error instanceof Unsupported ? "no_webcodecs" : "internal", String(error)));
    }
  }

  leave(): void {
    this.session?.close();
    this.end(problem("left", ""));
  }

  /** The page noticed that the machine slept, or has another network: try at once. */
  awake(): void {
    if (this.phase.name === "returning") this.retry();
  }

  publish(media: OwnMedia, on: boolean): void {
    this.desk.set(media, on);
  }

  microphone(port: MessagePort): void {
    port.onmessage = (event) => this.desk.sound(event.data);
  }

  playout(port: MessagePort): void {
    this.reception.play(port);
  }

  /** Take a picture of ours. */
  picture(source: PictureSource, frame: VideoFrame): void {
    this.desk.picture(source, frame, this.connection?.uplink.waiting ?? 0);
  }

  want(pictures: readonly WantedPicture[]): void {
    this.wanted = pictures;
    this.subscribe();
  }

  setDataSaver(on: boolean): void {
    this.dataSaver = on;
    this.subscribe();
  }

  setReceivedHeight(lines: number): void {
    this.mostLines = lines;
    this.subscribe();
  }

  setVolume(participant: ParticipantId, volume: number): void {
    this.reception.setVolume(participant, volume);
    this.changed();
  }

  drawn(participant: ParticipantId, source: PictureSource): void {
    this.reception.drawn(participant, source);
  }

  /** Carry out what the person asks of the server; an answer follows. */
  request(number: number, request: Request): void {
    const seat = this.seat;
    if (seat === undefined) {
      this.tell({ type: "answer", number, problem: problem("not_in_room", "") });
      return;
    }
    this.requests.send(seat, number, request, (messageId, text, to) => this.view?.chatSending(messageId, text, to));
    this.connection?.pump();
  }

  private get seat(): Seat | undefined {
    return this.session?.seated === true ? this.session.seat : undefined;
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
      received: (packets: readonly MediaPacket[]) => this.reception.receive(packets),
      lost: (opened) => this.lost(problem(opened ? "connection_lost" : "unreachable", "")),
      sign: (bytes) => device.sign(bytes),
    });
  }

  private happened(entry: Entry, session: Session, event: Event): void {
    if (this.view?.take(event) === true) this.changed();
    switch (event.type) {
      case "serverKey":
        this.serverKnown(entry, session, event.trusted);
        break;
      case "wrongServerKey":
        this.end(problem("wrong_server", formatFingerprint(event.found)));
        break;
      case "deriveKey":
        session.accountKeyDerived(this.keyFor(event.salt, event.memoryBytes, event.passes));
        break;
      case "loggedIn":
        this.password = "";
        session.join({ room: entry.room, unixMs: Date.now() });
        break;
      case "joinFailed":
      case "loginFailed":
        this.refused(session, problem(event.code, event.text, event.retryAfterMs));
        break;
      case "joined":
        this.joined(session);
        break;
      case "evicted":
        session.close();
        this.end(problem(event.code, event.text));
        break;
      case "closed":
        if (event.dishonest) this.end(problem("dishonest_server", event.text));
        else if (event.action === "stop") this.end(problem(event.code ?? "internal", event.text, event.retryAfterMs));
        else this.lost(problem(event.code ?? "connection_lost", event.text, event.retryAfterMs));
        break;
      default:
        this.happenedInside(event);
    }
  }

  private happenedInside(event: Event): void {
    this.requests.take(event);
    switch (event.type) {
      case "trackPublished":
      case "trackUpdated":
        if (event.track.participant !== this.seat?.room.own) this.reception.published(event.track);
        this.subscribe();
        break;
      case "trackUnpublished":
        this.reception.unpublished(event.track);
        this.subscribe();
        break;
      case "participantLeft":
        this.reception.left(event.participant.member.participant);
        break;
      case "participantJoined":
        void this.rememberDevices();
        break;
      case "published":
        this.desk.published(event);
        break;
      case "publicationReady":
        this.desk.ready(event.number);
        break;
      case "publishFailed":
        this.desk.failed(event.number);
        break;
      case "keyframeRequested":
        this.desk.keyframeRequested(event.number);
        break;
    }
  }

  private serverKnown(entry: Entry, session: Session, trusted: boolean): void {
    // This page and its code came from the same host by HTTPS: who could make up a key could have made up the page.
    if (!trusted) session.trustServer(monotonic());
    const fingerprint = formatFingerprint(session.serverFingerprint);
    void this.trust?.then(async (trust) => {
      await trust.rememberServer(entry.socket, fingerprint);
      this.pins = new DevicePins(await trust.devices(fingerprint));
    });
    try {
      session.beginLogin(entry.account, entry.name);
    } catch (error) {
      this.refused(session, problem("bad_name", String(error)));
    }
  }

  /** Return the account key; after the first time the password is not needed, and not kept. */
  private keyFor(salt: Uint8Array, memoryBytes: number, passes: number): SigningKey {
    const made = `${hex(salt)} ${memoryBytes} ${passes}`;
    if (this.accountKey?.salt !== made) {
      this.accountKey = { salt: made, key: deriveAccountKey(this.password, salt, memoryBytes, passes) };
    }
    return this.accountKey.key;
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
    const seat = session.seat;
    this.view = new RoomView(seat.room, this.pins, this.reception, (report) => this.tell(report));
    this.subscribed = "";
    this.downlink = new DownlinkAdaptation();
    this.attempt = 0;
    this.desk.entered(seat);
    this.subscribe();
    this.tending = setInterval(() => this.tend(), TEND_INTERVAL);
    this.enter({ name: "inside" });
    this.changed();
  }

  private lost(reason: Problem): void {
    const before = this.phase.name;
    this.leaveSeat();
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
    if (session.phase !== "closed") return;
    session.reconnect(monotonic());
    this.connect(entry, session, device);
  }

  private end(reason: Problem): void {
    clearTimeout(this.waiting);
    this.leaveSeat();
    this.connection?.close();
    this.connection = undefined;
    this.session = undefined;
    this.password = "";
    this.accountKey = undefined;
    this.enter({ name: "ended", reason });
  }

  private leaveSeat(): void {
    clearInterval(this.tending);
    clearTimeout(this.telling);
    this.telling = undefined;
    this.requests.lost();
    this.desk.left();
    this.reception.end();
    this.view = undefined;
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    this.tell({ type: "phase", phase });
  }

  // In the room

  private subscribe(): void {
    const seat = this.seat;
    if (seat === undefined) return;
    const allowed = this.dataSaver ? 0 : this.downlink.allowed;
    const streams = wantedStreams(this.wanted, seat.room.publications.values(), allowed, this.mostLines);
    this.reception.want(streams);
    const choices = choicesOf(streams);
    const text = JSON.stringify(choices);
    if (text === this.subscribed) return;
    this.subscribed = text;
    seat.subscribe(SOUND, choices);
    this.connection?.pump();
  }

  private changed(): void {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.view?.tell();
    }, TELL_DELAY);
  }

  private tend(): void {
    this.reception.tend();
    const { connection, session } = this;
    if (connection === undefined || session === undefined || !session.seated) return;
    const dropped = connection.uplink.dropped.large;
    const statistics = session.networkStatistics();
    if (dropped > this.droppedPictures) this.desk.picturesDropped();
    const congested = dropped > this.droppedPictures || connection.uplink.isCongested(monotonic());
    this.droppedPictures = dropped;
    this.desk.tend(congested, statistics.up.recentLoss);
    this.tends += 1;
    if (this.tends % TENDS_PER_SECOND === 0) this.second(connection, session);
  }

  private second(connection: Connection, session: Session): void {
    const { received, lost } = this.reception.second();
    if (this.downlink.second(received, lost, this.reception.pictureCount)) this.subscribe();
    const { rtt, up, down } = session.networkStatistics();
    const rate = (now: number, before: number): number => Math.max(0, now - before) * 8;
    const statistics = {
      roundTripMs: Math.round((rtt ?? 0) * 1000),
      lossUp: up.recentLoss,
      lossDown: down.recentLoss,
      sentBitsPerSecond: rate(connection.sent, this.bytes.sent),
      receivedBitsPerSecond: rate(connection.received, this.bytes.received),
    };
    this.bytes = { sent: connection.sent, received: connection.received };
    this.tell({ type: "statistics", statistics, degraded: this.degraded() });
    this.changed();
  }

  private degraded(): Degraded {
    const { allowed } = this.downlink;
    if (allowed === 0) return "pictures_paused";
    return allowed < this.wanted.length ? "pictures_reduced" : "no";
  }

  private async rememberDevices(): Promise<void> {
    const pins = this.pins.unsaved();
    const fingerprint = this.session?.serverFingerprint;
    if (pins.length === 0 || fingerprint === undefined) return;
    await (await this.trust)?.rememberDevices(formatFingerprint(fingerprint), pins);
  }
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
