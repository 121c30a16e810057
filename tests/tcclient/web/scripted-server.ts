// A server that says what a test wants, and a session on it: both ends in virtual time, without a socket.

import assert from "node:assert/strict";

import { Lives } from "../../../tcclient/web/src/core/membership/lives.js";
import { Session } from "../../../tcclient/web/src/core/session.js";
import type { Settings } from "../../../tcclient/web/src/core/settings.js";
import type { Event } from "../../../tcclient/web/src/core/events.js";
import { concat } from "../../../tcclient/web/src/protocol/bytes.js";
import {
  Kind,
  openDatagram,
  packDatagramHeader,
  packItems,
  parseDatagramHeader,
  parseItems,
  sealDatagram,
  type Item,
} from "../../../tcclient/web/src/protocol/datagram.js";
import { SigningKey } from "../../../tcclient/web/src/protocol/identity.js";
import { statementText } from "../../../tcclient/web/src/protocol/membership.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import type { Member, Message } from "../../../tcclient/web/src/protocol/messages.js";
import { publicOf } from "../../../tcclient/web/src/protocol/sodium.js";
import { filled, ServerEnd, serverFingerprint } from "./server-end.js";

export const ROOM_LIFE = filled(0xa0, 16);
export const LIMITS = messages.Limits.make({
  textChars: 2000,
  textBytes: 8000,
  publications: 8,
  participants: 500,
  requestsPerSecond: 5,
});
const UP_KEY = filled(0x01);
const DOWN_KEY = filled(0x02);
export const ROOM_KEY = { sealer: 9, epoch: 0, key: filled(0x03), lowest: 0 };
const MEDIA_ID = 77;

/** Another member, whose device and box key the test has. */
export class OtherMember {
  readonly device: SigningKey;
  readonly boxPrivate: Uint8Array;
  readonly member: Member;

  constructor(participant: number, changes: Partial<Member> = {}, room = "rapat", life = ROOM_LIFE) {
    this.device = new SigningKey(filled(0x40 + participant));
    this.boxPrivate = filled(0x60 + participant);
    const boxKey = publicOf(this.boxPrivate);
    const [account, name, signedAt] = [`kantor-${participant}`, `Nama ${participant}`, 1_767_225_600_000n];
    const fields = {
      fingerprint: serverFingerprint(),
      life,
      room,
      account,
      name,
      boxKey,
      signedAt,
    };
    this.member = {
      ...messages.Member.make({
        participant,
        account,
        agency: `Kantor ${participant}`,
        name,
        role: "speaker",
        deviceKey: this.device.public,
        boxKey,
        signedAt,
        signature: this.device.sign(statementText(fields)),
        beaconStream: 1000 + participant,
      }),
      ...changes,
    };
  }
}

/** A session and its server in virtual time. */
export class Pair {
  readonly device = new SigningKey(filled(0x77));
  /** The server's end of the newest connection. */
  server = new ServerEnd();
  readonly events: Event[] = [];
  /** Bytes that the session asked to have signed. */
  readonly signed: Uint8Array[] = [];
  /** Datagrams that the session sent. */
  readonly datagrams: Uint8Array[] = [];
  readonly session: Session;
  now = 100;
  #random = 0;
  #downCounter = 0;
  #roomCounter = 0;

  constructor(settings: Partial<Settings> = {}, lives = new Lives()) {
    this.session = new Session(
      {
        fingerprint: serverFingerprint(),
        sources: ["microphone"],
        ...settings,
      },
      {
        device: this.device.public,
        randomBytes: (size) => this.#randomBytes(size),
        lives,
      },
      this.now,
    );
    this.pump();
  }

  /** Carry bytes both ways, sign what is asked for, and collect events, until nothing moves. */
  pump(): void {
    for (let moved = true; moved;) {
      const [up, down] = [this.session.controlToSend(), this.server.take()];
      if (up.length > 0) this.server.receive(up);
      if (down.length > 0) this.session.receiveControl(down, this.now);
      moved = up.length > 0 || down.length > 0 || this.#drain();
    }
    this.datagrams.push(...this.session.datagramsToSend(this.now));
  }

  /** Say something as the server, and carry it. */
  say(message: Message, requestId = 0): void {
    this.server.send(message, requestId);
    this.pump();
  }

  /** Return the newest request of a type, with its id. */
  asked<T extends Message["t"]>(
    t: T,
  ): {
    readonly message: Extract<Message, { t: T }>;
    readonly requestId: number;
  } {
    const found = this.server.requests.filter(({ message }) => message.t === t).at(-1);
    assert(found !== undefined, `no ${t} was sent`);
    return found as {
      readonly message: Extract<Message, { t: T }>;
      readonly requestId: number;
    };
  }

  /** Return the events of a type. */
  of<T extends Event["type"]>(type: T): (Event & { type: T })[] {
    return this.events.filter((event): event is Event & { type: T } => event.type === type);
  }

  /** Let time pass, with all that is due in it. */
  advance(seconds: number): void {
    const end = this.now + seconds;
    for (let due = this.session.nextDeadline(); due <= end; due = this.session.nextDeadline()) {
      this.now = Math.max(this.now, due);
      this.session.handleTimeout(this.now);
      this.pump();
    }
    this.now = end;
    this.pump();
  }

  login(welcome: Partial<Extract<Message, { t: "welcome" }>> = {}): void {
    this.session.beginLogin("Dinas.KESEHATAN", " Siti  Aminah ");
    this.pump();
    const [account, name] = [this.asked("login_begin").message.account, "Siti Aminah"];
    const challenge = {
      salt: filled(5, 16),
      memoryKib: 65_536,
      passes: 2,
      account,
    };
    this.say(messages.LoginChallenge.make(challenge), this.asked("login_begin").requestId);
    this.session.accountKeyDerived(new SigningKey(filled(6)));
    this.pump();
    const whole = {
      session: 1,
      account,
      agency: "Dinas Kesehatan",
      name,
      resumeToken: filled(0),
      limits: LIMITS,
    };
    this.say(messages.Welcome.make({ ...whole, ...welcome }), this.asked("login").requestId);
  }

  /** Lose the connection. */
  lose(): void {
    this.session.receiveEof();
    this.pump();
  }

  /** Connect again, up to the handshake. */
  reconnect(server = new ServerEnd()): void {
    this.server = server;
    this.session.reconnect(this.now);
    this.pump();
  }

  /** Connect again, and ask to resume; the reply is up to the caller. */
  askToResume(): void {
    this.reconnect();
    this.session.resume();
    this.pump();
  }

  /** Connect again, and resume the seat; `number` is that of our newest message that came. */
  resume(number: number, changes: Partial<messages.Resumed> = {}): void {
    this.askToResume();
    const keys = { mediaId: MEDIA_ID, epoch: 1, upKey: UP_KEY, downKey: DOWN_KEY, resumeToken: filled(9) };
    const resumed = { participant: 1, number: BigInt(number), ...keys, ...changes };
    this.say(messages.Resumed.make(resumed), this.asked("resume").requestId);
  }

  /** Return the room as the server tells of it. */
  room(changes: Partial<messages.RoomInfo> = {}): messages.RoomInfo {
    return {
      ...messages.RoomInfo.make({
        name: "rapat",
        life: ROOM_LIFE,
        e2ee: true,
        maxParticipants: 50,
      }),
      ...changes,
    };
  }

  /** Return our own seat as the server has to show it. */
  ownMember(): Member {
    const { boxKey, signedAt, signature } = this.asked("join").message;
    return messages.Member.make({
      participant: 1,
      account: "dinas.kesehatan",
      agency: "Dinas Kesehatan",
      name: "Siti Aminah",
      role: "chair",
      deviceKey: this.device.public,
      boxKey,
      signedAt,
      signature,
      beaconStream: 1001,
    });
  }

  /** Ask for a seat, up to its reply. */
  sitDown(room = this.room()): void {
    this.session.join({
      room: "Rapat",
      unixMs: 1_767_225_600_000,
      e2ee: room.e2ee,
    });
    this.pump();
    this.say(messages.Room.make({ room }), this.asked("open_room").requestId);
    const { requestId } = this.asked("join");
    const keys = {
      mediaId: MEDIA_ID,
      epoch: 0,
      upKey: UP_KEY,
      downKey: DOWN_KEY,
      roomKeys: [ROOM_KEY],
    };
    const seat = {
      participant: 1,
      beaconStream: 1001,
      role: "chair" as const,
      permissions: 0xfff,
    };
    this.say(messages.Joined.make({ ...keys, ...seat }), requestId);
  }

  /** Tell of the room. */
  snapshot(members: readonly Member[], publications: readonly messages.PublicationInfo[] = [], number = 0n): void {
    this.say(
      messages.Snapshot.make({
        number,
        room: this.room(),
        members,
        publications,
        last: true,
      }),
    );
  }

  /** Log in and sit down in a room with others. */
  seated(...others: readonly OtherMember[]): this {
    this.login();
    this.sitDown();
    this.snapshot([this.ownMember(), ...others.map(({ member }) => member)]);
    return this;
  }

  /** Return the items of the datagrams that were sent since the last call. */
  sentItems(): Item[] {
    return this.datagrams.splice(0).flatMap((datagram) => {
      assert.equal(parseDatagramHeader(datagram).kind, Kind.UP);
      return parseItems(openDatagram(datagram, UP_KEY));
    });
  }

  /** Send a down datagram. */
  down(...items: readonly Item[]): Uint8Array {
    const header = packDatagramHeader(Kind.DOWN, 0, MEDIA_ID, this.#downCounter++);
    return this.give(sealDatagram(header, packItems(items), DOWN_KEY));
  }

  /** Forward a packet in a room datagram, with a forward number. */
  forward(packet: Uint8Array, forward: number, counter = this.#roomCounter++): Uint8Array {
    const header = packDatagramHeader(Kind.ROOM, ROOM_KEY.epoch, ROOM_KEY.sealer, counter);
    const value = concat(Uint8Array.of(forward >> 8, forward & 0xff), packet);
    const time = new Uint8Array(4);
    new DataView(time.buffer).setUint32(0, Math.floor(this.now * 1e6) % 2 ** 32);
    return this.give(sealDatagram(header, concat(time, packItems([{ type: 1, value }])), ROOM_KEY.key));
  }

  /** Give a datagram to the session. */
  give(datagram: Uint8Array): Uint8Array {
    this.session.receiveDatagram(datagram, this.now);
    this.pump();
    return datagram;
  }

  #drain(): boolean {
    let moved = false;
    for (let event = this.session.nextEvent(); event !== undefined; event = this.session.nextEvent()) {
      moved = true;
      if (event.type === "sign") {
        this.signed.push(event.bytes);
        this.session.signed(event.id, this.device.sign(event.bytes), this.now);
      } else this.events.push(event);
    }
    return moved;
  }

  #randomBytes(size: number): Uint8Array {
    this.#random++;
    return Uint8Array.from({ length: size }, (_, i) => (this.#random * 31 + i * 7) & 0xff);
  }
}
