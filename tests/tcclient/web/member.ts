// A member of a meeting under Node: the session of the page on plain TCP and UDP sockets. It is told what to do by a line of
// JSON each on its input, and tells what happens by a line of JSON each on its output.

import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { createInterface } from "node:readline";

import { Session } from "../../../tcclient/web/src/core/session.js";
import { Lives } from "../../../tcclient/web/src/core/membership/lives.js";
import type { Event } from "../../../tcclient/web/src/core/events.js";
import { deriveAccountKey } from "../../../tcclient/web/src/protocol/account.js";
import { fromHex, hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { ready } from "../../../tcclient/web/src/protocol/sodium.js";

/** What the first line says. */
interface Start {
  readonly host: string;
  readonly port: number;
  readonly fingerprint: string;
  readonly account: string;
  readonly password: string;
  readonly name: string;
  readonly room: string;
  readonly e2ee: boolean;
}

/** What each further line says. */
type Command =
  | { readonly verb: "publish" | "leave" | "roster" | "close" | "statistics" }
  | {
      readonly verb: "audio";
      readonly number: number;
      readonly payload: string;
      readonly timestamp: number;
    }
  | {
      readonly verb: "chat";
      readonly text: string;
      readonly participant: number;
    }
  | { readonly verb: "kick"; readonly participant: number };

const now = (): number => performance.now() / 1000;

function tell(what: object): void {
  const text = JSON.stringify(what, (_, value: unknown) => {
    if (value instanceof Uint8Array) return hex(value);
    return typeof value === "bigint" ? Number(value) : value;
  });
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<void> {
  await ready;
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const start = JSON.parse((await lines.next()).value as string) as Start;
  const device = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const devicePublic = new Uint8Array(await crypto.subtle.exportKey("raw", device.publicKey));
  const session = new Session(
    { fingerprint: fromHex(start.fingerprint), sources: ["microphone"] },
    {
      device: devicePublic,
      randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
      lives: new Lives(),
    },
    now(),
  );
  const stream = connect(start.port, start.host);
  const datagrams = createSocket("udp4");
  datagrams.connect(start.port, start.host);
  await new Promise((resolve) => datagrams.once("connect", resolve));
  let timer: NodeJS.Timeout | undefined;

  function react(event: Event): void {
    if (event.type === "sign") {
      const { id, bytes } = event;
      void crypto.subtle.sign("Ed25519", device.privateKey, new Uint8Array(bytes)).then((signature) => {
        session.signed(id, new Uint8Array(signature), now());
        settle();
      });
      return;
    }
    tell(event);
    if (event.type === "serverKey") session.beginLogin(start.account, start.name);
    if (event.type === "deriveKey") {
      session.accountKeyDerived(deriveAccountKey(start.password, event.salt, event.memoryBytes, event.passes));
    }
    if (event.type === "loggedIn") session.join({ room: start.room, unixMs: Date.now(), e2ee: start.e2ee });
  }

  /** Carry out what the session has to say, to the sockets and to the output. */
  function settle(): void {
    for (let event = session.nextEvent(); event !== undefined; event = session.nextEvent()) react(event);
    for (const { participant, publication, payload } of session.mediaReceived()) {
      tell({ type: "media", participant, publication, payload });
    }
    const control = session.controlToSend();
    if (control.length > 0) stream.write(control);
    for (const datagram of session.datagramsToSend(now())) datagrams.send(datagram);
    clearTimeout(timer);
    if (session.phase === "closed") {
      stream.end();
      datagrams.close();
      process.stdin.destroy();
      return;
    }
    const wait = session.nextDeadline() - now();
    timer = setTimeout(
      () => {
        session.handleTimeout(now());
        settle();
      },
      Math.max(0, wait * 1000),
    );
  }

  stream.on("data", (data) => {
    session.receiveControl(data, now());
    settle();
  });
  stream.on("close", () => {
    if (session.phase === "closed") return;
    session.receiveEof();
    settle();
  });
  datagrams.on("message", (data) => {
    session.receiveDatagram(data, now());
    settle();
  });
  settle();

  function carryOut(command: Command): void {
    if (command.verb === "close") session.close();
    else if (command.verb === "leave") session.leave();
    else if (command.verb === "publish") {
      const number = session.seat.publishing.publish({ kind: "audio", source: "microphone", codec: "opus" }, now());
      tell({ type: "announced", number });
    } else if (command.verb === "audio") {
      const { number, timestamp } = command;
      const sent = session.seat.publications.sendAudio(
        number,
        { payload: fromHex(command.payload), timestamp, voice: true },
        now(),
      );
      tell({ type: "audioSent", sent });
    } else if (command.verb === "chat") {
      const scope = command.participant === 0 ? "room" : "participant";
      session.seat.sendChat(command.text, Date.now(), now(), scope, command.participant);
    } else if (command.verb === "kick") session.seat.kick(command.participant);
    else if (command.verb === "statistics") {
      tell({
        type: "statistics",
        ...session.networkStatistics(),
        drops: Object.fromEntries(session.drops),
      });
    } else {
      const { room } = session.seat;
      const members = [...room.members.values()].map(({ member, verified }) => ({ ...member, verified }));
      tell({
        type: "roster",
        members,
        safetyCode: room.safetyCode(),
        memberSet: room.memberSetHash(),
      });
    }
  }

  for (;;) {
    const line = await lines.next();
    if (line.done === true || session.phase === "closed") return;
    carryOut(JSON.parse(line.value) as Command);
    settle();
  }
}

await main();
