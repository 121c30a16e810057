/**
 * A client's session with a server, without input or output: connect, trust, log in, sit in a room.
 *
 * The owner passes in what arrives (`receiveControl`, `receiveDatagram`). It takes out what has to be sent
 * (`controlToSend`, `datagramsToSend`) and what has happened (`nextEvent`, `mediaReceived`), and calls `handleTimeout` at
 * `nextDeadline`. `now` is monotonic, in seconds. A verb in the wrong phase throws `Refusal`. What the server refuses comes
 * as an event. `closed` is the last event of a connection, and so is `detached`, after which the seat goes on. Nothing is
 * received after them until `reconnect` begins again on another connection.
 *
 * The device key stays with the owner, who signs what `sign` events ask for, each in its time, and calls `signed`.
 */

import type { ControlConnection, ControlEvent, Replied } from "../protocol/control.js";
import { type Action, CODES, type ErrorCode, ProtocolError, Refusal } from "../protocol/errors.js";
import type { SigningKey } from "../protocol/identity.js";
import * as messages from "../protocol/messages.js";
import type { ErrorReply, Message } from "../protocol/messages.js";
import { cleanDisplay, foldAccount } from "../protocol/names.js";
import { KEY_SIZE } from "../protocol/sodium.js";
import * as answers from "./answers.js";
import { controlConnection, Liveness } from "./control.js";
import { type Drop, Drops } from "./drops.js";
import type { Emit, Event } from "./events.js";
import { Joining, type JoinSettings } from "./joining.js";
import { Login } from "./login.js";
import type { MediaPacket } from "./media/packet.js";
import type { NetworkStatistics } from "./media/statistics.js";
import { Distrust } from "./membership/distrust.js";
import { isWithin, type Phase, requirePhase } from "./phase.js";
import { Resumption } from "./resumption.js";
import { Seat } from "./seat.js";
import type { Environment, Settings } from "./settings.js";
import { Signing } from "./signing.js";
import { notice, ShownTexts } from "./texts.js";
import { Timers } from "./timers.js";

/** See the module's text. */
export class Session {
  #phase: Phase = "connecting";
  readonly #settings: Settings;
  readonly #environment: Environment;
  readonly #drops = new Drops();
  readonly #events: Event[] = [];
  readonly #emit: Emit = (event) => void this.#events.push(event);
  readonly #shown = new ShownTexts();
  readonly #timers = new Timers();
  readonly #signing: Signing;
  readonly #resumption: Resumption;
  #control: ControlConnection;
  #login: Login;
  #joining: Joining | undefined;
  #seat: Seat | undefined;
  #liveness: Liveness;

  constructor(settings: Settings, environment: Environment, now: number) {
    this.#settings = settings;
    this.#environment = environment;
    this.#signing = new Signing(environment.device, this.#emit);
    this.#control = controlConnection(this.#environment.randomBytes);
    this.#resumption = new Resumption(this.#control);
    this.#login = this.#newLogin(settings.fingerprint);
    this.#liveness = this.#newLiveness(now);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Datagrams, packets and texts that were dropped, by reason. */
  get drops(): ReadonlyMap<Drop, number> {
    return this.#drops.counts;
  }

  /** The fingerprint of the key that the server proved, 20 bytes; empty before the handshake. */
  get serverFingerprint(): Uint8Array {
    return this.#login.fingerprint;
  }

  /** The login, with what can be done with the account; throws `Refusal` before it. */
  get login(): Login {
    if (!isWithin(this.#phase, "lobby", "room")) throw new Refusal("bad_request", "not possible before the login");
    return this.#login;
  }

  get seated(): boolean {
    return this.#seat !== undefined;
  }

  /** The seat in the room, with what can be done there; throws `Refusal` outside of one. */
  get seat(): Seat {
    if (this.#seat === undefined) throw new Refusal("not_in_room");
    return this.#seat;
  }

  /** Return how both directions of the path do; throws `Refusal` outside of a room. */
  networkStatistics(): NetworkStatistics {
    const { path, downlink } = this.seat;
    const { rtt, rttJitter, up } = path.statistics;
    return { path: path.state, rtt, rttJitter, controlRtt: this.#liveness.rtt, up, down: downlink.media.direction() };
  }

  // What goes in and out

  /** Take bytes of the control connection. */
  receiveControl(data: Uint8Array, now: number): void {
    if (this.#isOver()) return;
    this.#liveness.heard(now);
    this.#control.receiveData(data);
    try {
      for (let event = this.#control.nextEvent(); event !== undefined; event = this.#control.nextEvent()) {
        this.#handle(event, now);
        if (this.#isOver()) break;
      }
    } catch (error) {
      this.#broken(error);
    }
    this.#seat?.settle(now);
  }

  /** The control connection was lost. */
  receiveEof(): void {
    this.#end({ code: undefined, text: "the connection was lost", action: "reconnect" });
  }

  /** Take a datagram; then ask `mediaReceived` and `datagramsToSend`. */
  receiveDatagram(data: Uint8Array, now: number): void {
    this.#seat?.receiveDatagram(data, now);
  }

  /** Take the signature, 64 bytes, that a `sign` event asked for. One that came too late is ignored. */
  signed(id: number, signature: Uint8Array, now: number): void {
    this.#signing.signed(id, signature, now);
  }

  /** Return the bytes for the control connection, once. After `closed` there may be a last message. */
  controlToSend(): Uint8Array {
    return this.#control.dataToSend();
  }

  /** Return the datagrams that wait, once, with a ping if one is due. */
  datagramsToSend(now: number): Uint8Array[] {
    if (now >= this.#timers.when("path")) this.handleTimeout(now);
    return this.#seat?.egress.take(now) ?? [];
  }

  /** Return the next event, undefined when there is none. */
  nextEvent(): Event | undefined {
    return this.#events.shift();
  }

  /** Return the packets of others that came, in order, once. Ask after each `receive…`. */
  mediaReceived(): MediaPacket[] {
    return this.#seat?.downlink.media.take() ?? [];
  }

  /** Return when `handleTimeout` is due; Infinity when never. */
  nextDeadline(): number {
    return this.#timers.next();
  }

  /** Do what is due by `now`. */
  handleTimeout(now: number): void {
    this.#timers.run(now);
    this.#seat?.settle(now);
  }

  /** End the session; the bytes of the farewell are in `controlToSend`. */
  close(): void {
    if (isWithin(this.#phase, "trusted", "room")) this.#control.close("leaving");
    this.#end({ code: "leaving", text: "closed here", action: "stop" });
  }

  /**
   * Begin again on another connection to the same server; throws `Refusal` before `closed` or `detached`.
   *
   * With a seat `resume` is next, else the login. The session remembers the texts that it has shown, the lives of rooms that
   * it has been in, and what it has dropped. So a text that the server sends again is not shown again.
   */
  reconnect(now: number): void {
    if (this.#phase !== "detached") requirePhase(this.#phase, "closed");
    this.#phase = "connecting";
    this.#joining = undefined;
    const before = this.#login;
    this.#control = controlConnection(this.#environment.randomBytes);
    this.#login = this.#newLogin(before.fingerprint.length > 0 ? before.fingerprint : this.#settings.fingerprint);
    this.#liveness = this.#newLiveness(now);
    this.#resumption.connected(this.#control);
    if (this.#resumption.isPending) this.#login.follow(before);
  }

  /** Look at once whether the connection still works. */
  hintNetworkChanged(now: number): void {
    this.#liveness.probe(now);
  }

  // Verbs

  /** Accept the key of `serverKey`. */
  trustServer(now: number): void {
    requirePhase(this.#phase, "untrusted");
    this.#trusted(now);
  }

  /**
   * Log in; `deriveKey` or `loginFailed` follows. A seat that might be resumed is given up.
   *
   * Throws `RangeError` for a name that is not allowed.
   */
  beginLogin(account: string, name: string): void {
    requirePhase(this.#phase, "trusted");
    if (this.#resumption.isPending) this.#giveUp();
    this.#login.begin(foldAccount(account), cleanDisplay(name));
    this.#phase = "loggingIn";
  }

  /** Take up the seat again; a `sign`, then `resumed`, `resumeFailed`, `evicted` or `detached` follows. */
  resume(): void {
    requirePhase(this.#phase, "trusted");
    this.#resumption.request(this.#login);
    this.#phase = "loggingIn";
  }

  /** Answer `deriveKey`; a `sign`, then `loggedIn` or `loginFailed` follows. */
  accountKeyDerived(key: SigningKey): void {
    requirePhase(this.#phase, "loggingIn");
    this.#login.accountKeyDerived(key);
  }

  /** Enter a room; a `sign`, then `joined` or `joinFailed` follows. Throws `RangeError` for a name of no room. */
  join(settings: JoinSettings): void {
    requirePhase(this.#phase, "lobby");
    const boxPrivate = this.#environment.randomBytes(KEY_SIZE);
    this.#joining = new Joining(settings, boxPrivate, this.#signing, this.#control);
    this.#phase = "joining";
  }

  /** Give the seat up; `left` follows at once. */
  leave(): void {
    requirePhase(this.#phase, "room");
    this.#control.ask(messages.Leave.make({}));
    this.#standUp();
    this.#emit({ type: "left" });
  }

  // What the server says

  /** End the session, since the server breaks the protocol or lies; another error is ours, and is thrown again. */
  #broken(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.#control.close(error.code, error.detail);
      this.#end({ code: error.code, text: error.detail, action: CODES[error.code].action });
    } else if (error instanceof Distrust) {
      this.#end({ code: error.code, text: error.message, action: "stop", dishonest: true });
    } else {
      throw error;
    }
  }

  #handle(event: ControlEvent, now: number): void {
    if (event.type === "received") this.#received(event.message, event.requestId, now);
    else if (event.type === "replied") this.#replied(event, now);
    else {
      this.#phase = "untrusted";
      this.#liveness.pause();
      if (this.#login.handshakeCompleted(event)) this.#trusted(now);
    }
  }

  #received(message: Message | messages.Unknown, requestId: number, now: number): void {
    if (message.t === undefined) return;
    if (message.t === "ping") {
      if (isWithin(this.#phase, "trusted", "closed") && this.#liveness.mayAnswer(now))
        this.#control.reply(requestId, messages.Pong.make({ time: message.time }));
    } else if (message.t === "close") {
      this.#end(message);
    } else if (message.t === "chat_message" && this.#seat === undefined) {
      if (message.scope === "server") this.#emit(notice(message));
    } else if (message.t === "evicted") {
      if (this.#seat === undefined) return;
      this.#standUp();
      this.#emit({ type: "evicted", code: message.code, text: message.text });
    } else {
      this.#seat?.handleMessage(message, now);
    }
  }

  #replied({ request, reply, requestId }: Replied, now: number): void {
    if (reply.t === "error") this.#refused(request, reply, requestId, now);
    else if (reply.t === "pong" && request.t === "ping") this.#liveness.answered(request.time, now);
    else if (reply.t === "login_challenge") this.#login.challenged(reply);
    else if (reply.t === "welcome") {
      this.#phase = "lobby";
      this.#login.welcomed(reply);
      this.#resumption.token = reply.resumeToken;
    } else if (reply.t === "resumed") this.#resumed(reply, now);
    else if (reply.t === "room") this.#opened(reply.room);
    else if (reply.t === "joined") this.#joined(reply);
    else {
      if (request.t === "change_password") this.#login.passwordChanged(request);
      this.#tell(answers.accepted(this.#seat, { request, requestId, answer: reply }, now));
    }
  }

  #refused(request: Message, error: ErrorReply, requestId: number, now: number): void {
    const { code, text, action, retryAfterMs } = error;
    switch (request.t) {
      case "resume":
        return this.#resumeRefused(error);
      case "login_begin":
      case "login":
        this.#phase = "trusted";
        return this.#emit({ type: "loginFailed", code, text, action, retryAfterMs });
      case "open_room":
      case "join":
        return this.#joinFailed(code, text, retryAfterMs);
      default:
        return this.#tell(answers.refused(this.#seat, { request, requestId, answer: error }, now));
    }
  }

  #resumed(resumed: messages.Resumed, now: number): void {
    const seat = this.#seat;
    if (seat === undefined) return;
    if (!this.#resumption.resumed(resumed, seat.room.own, this.#control)) {
      this.#giveUp();
      const text = "too much was said while the connection was lost";
      this.#end({ code: undefined, text, action: "reconnect" });
      return;
    }
    this.#phase = "room";
    seat.resumed(resumed, now);
    this.#emit({ type: "resumed" });
  }

  #resumeRefused({ code, text, retryAfterMs }: ErrorReply): void {
    if (code === "rate_limited") {
      // The seat is kept: come back later.
      this.#end({ code, text, action: "reconnect", retryAfterMs });
      return;
    }
    this.#giveUp();
    const isTaken = code !== "cannot_resume" && CODES[code].action === "stop";
    this.#emit(isTaken ? { type: "evicted", code, text } : { type: "resumeFailed", code, text });
  }

  #opened(room: messages.RoomInfo): void {
    const { fingerprint, welcome } = this.#login;
    if (this.#joining === undefined || welcome === undefined) return;
    try {
      this.#joining.opened(room, fingerprint, welcome, this.#environment.lives);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#joinFailed(error.code, error.text, 0);
    }
  }

  #joined(joined: messages.Joined): void {
    const [place, welcome] = [this.#joining?.place, this.#login.welcome];
    this.#joining = undefined;
    if (place === undefined || welcome === undefined) return;
    this.#seat = new Seat(joined, place, {
      control: this.#resumption.line,
      emit: this.#emit,
      randomBytes: this.#environment.randomBytes,
      drops: this.#drops,
      shown: this.#shown,
      limits: welcome.limits,
      timers: this.#timers,
      signing: this.#signing,
    });
    this.#phase = "room";
    this.#seat.downlink.subscribe(this.#settings.sources);
  }

  #joinFailed(code: ErrorCode, text: string, retryAfterMs: number): void {
    this.#phase = "lobby";
    this.#joining = undefined;
    this.#emit({ type: "joinFailed", code, text, retryAfterMs });
  }

  #newLogin(expected: Uint8Array | undefined): Login {
    const { randomBytes } = this.#environment;
    return new Login({ expected, signing: this.#signing, control: this.#control, emit: this.#emit, randomBytes });
  }

  #trusted(now: number): void {
    this.#phase = "trusted";
    this.#liveness.watch(now, true);
  }

  #newLiveness(now: number): Liveness {
    const { text } = CODES.idle_timeout;
    const lost = (): void => this.#end({ code: "idle_timeout", text, action: "resume" });
    const liveness = new Liveness(this.#control, this.#timers, lost);
    liveness.watch(now, false);
    return liveness;
  }

  #standUp(): void {
    this.#seat = undefined;
    this.#phase = "lobby";
    this.#resumption.forget();
    this.#timers.cancelAll(Liveness.NAME);
    this.#signing.forget();
  }

  /** Forget the seat that was to be resumed on this connection. */
  #giveUp(): void {
    this.#standUp();
    this.#phase = "trusted";
    this.#resumption.connected(this.#control);
  }

  /** Whether this connection has ended. */
  #isOver(): boolean {
    return this.#phase === "detached" || this.#phase === "closed";
  }

  #end(ending: {
    readonly code: ErrorCode | undefined;
    readonly text: string;
    readonly action: Action;
    readonly retryAfterMs?: number;
    readonly dishonest?: boolean;
  }): void {
    const { code, text, action, retryAfterMs = 0, dishonest = false } = ending;
    if (this.#phase === "closed" || (this.#phase === "detached" && action !== "stop")) return;
    if (this.#seat !== undefined && this.#resumption.isPossible(code, action)) {
      this.#phase = "detached";
      this.#resumption.lost();
      this.#liveness.pause();
      this.#emit({ type: "detached", code, text, retryAfterMs });
      return;
    }
    this.#phase = "closed";
    this.#seat = undefined;
    this.#resumption.forget();
    this.#timers.cancelAll();
    this.#signing.forget();
    this.#emit({ type: "closed", code, text, action, retryAfterMs, dishonest });
  }

  #tell(event: Event | undefined): void {
    if (event !== undefined) this.#emit(event);
  }
}
