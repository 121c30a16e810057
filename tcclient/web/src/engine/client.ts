/** The meeting as the page uses it: state and verbs on its thread, all other work in the worker. */

import { Painter, type Screen } from "../media/painter.js";
import { Sound } from "../media/sound.js";
import type { Role } from "../protocol/messages.js";
import type { Command, PictureSource, Report, Request } from "./commands.js";
import type {
  AskedSource,
  ChatLine,
  Happening,
  HeldSource,
  ParticipantId,
  Problem,
  RoomChanges,
  WantedPicture,
} from "./facts.js";
import type { EngineOptions, JoinOptions, Meeting, MeetingState, OwnSource } from "./meeting.js";
import { OwnMediaDesk } from "./own-media.js";
import { keep, keepAll } from "./participant.js";
import workerUrl from "./worker.js?url";

/** Lines of chat that are kept; the oldest go first. */
const MAX_CHAT = 1_000;
/** Milliseconds between looks at the clock, and by how much it has to jump for the machine to have slept. */
const WATCH_INTERVAL = 2_000;
const SLEEP = 6_000;
/** Milliseconds between two notifications where no frame of the screen is drawn. */
const HIDDEN_INTERVAL = 200;

const OFF: OwnSource = { state: "off", fault: undefined, stream: undefined };

const OUTSIDE: MeetingState = {
  phase: { name: "outside" },
  room: undefined,
  me: undefined,
  participants: [],
  recentSpeakers: [],
  chat: [],
  microphone: OFF,
  camera: OFF,
  screen: OFF,
  microphoneNotice: undefined,
  soundPaused: false,
  degraded: "no",
  advice: undefined,
  limited: [],
  statistics: undefined,
};

/** Return a meeting; nothing is loaded and no device is opened before a verb asks for it. */
export function createMeeting(options: EngineOptions): Meeting {
  return new Client(options);
}

class Client implements Meeting {
  state: MeetingState = OUTSIDE;
  private readonly listeners = new Set<() => void>();
  private readonly happenings = new Set<(happening: Happening) => void>();
  private readonly answers = new Map<number, (problem: Problem | undefined) => void>();
  private readonly own: OwnMediaDesk;
  private readonly painter = new Painter((key) => {
    const [participant = "", source = ""] = key.split(" ");
    this.command({ type: "drawn", participant: Number(participant), source: source as PictureSource });
  });
  private worker: Worker | undefined;
  private sound: Sound | undefined;
  private playing = false;
  private requests = 0;
  /** Whether the listeners have not been told yet. */
  private isChanged = false;
  private entering: { resolve: () => void; reject: (problem: Problem) => void } | undefined;

  constructor(private readonly options: EngineOptions) {
    const state = (): MeetingState => this.state;
    this.own = new OwnMediaDesk(options.soundProcessing, {
      get phase() {
        return state().phase;
      },
      sound: () => this.openSound(),
      command: (command, transfer) => this.command(command, transfer),
      show: (media, source) => this.update({ [media]: keep(this.state[media], source) }),
      happen: (happening) => this.happen(happening),
    });
    let seen = Date.now();
    setInterval(() => {
      if (Date.now() > seen + SLEEP) this.worker?.postMessage({ type: "awake" } satisfies Command);
      seen = Date.now();
    }, WATCH_INTERVAL);
    addEventListener("online", () => this.worker?.postMessage({ type: "awake" } satisfies Command));
    // The frame of the screen that listeners wait for does not come while the page is hidden.
    document.addEventListener("visibilitychange", () => this.notify());
  }

  watch(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onHappening(listener: (happening: Happening) => void): () => void {
    this.happenings.add(listener);
    return () => this.happenings.delete(listener);
  }

  prepare(): void {
    this.command({ type: "prepare" });
  }

  join(options: JoinOptions): Promise<void> {
    const { account, password, name, room, e2ee, dataSaver } = options;
    if (!isCapable()) {
      return Promise.reject<void>({ code: "no_webcodecs", detail: "", retryAfter: 0 } satisfies Problem);
    }
    const entry = { socket: this.options.socket, account, password, name, room, e2ee, dataSaver };
    this.update({ chat: [], room: undefined, me: undefined, participants: [], recentSpeakers: [], limited: [] });
    return new Promise((resolve, reject) => {
      this.entering = { resolve, reject };
      this.command({ type: "join", entry: { ...entry, fingerprint: options.fingerprint } });
    });
  }

  leave(): void {
    this.command({ type: "leave" });
  }

  async resumeSound(): Promise<void> {
    const sound = this.openSound();
    if (!this.playing) {
      this.playing = true;
      const port = await sound.playout();
      this.command({ type: "playout", port }, [port]);
    }
    await sound.resume();
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.own.set("microphone", on);
  }

  setCamera(on: boolean): Promise<void> {
    return this.own.set("camera", on);
  }

  setScreen(on: boolean): Promise<void> {
    return this.own.set("screen", on);
  }

  chooseDevice(kind: "microphone" | "camera" | "speaker", id: string): Promise<void> {
    return kind === "speaker" ? this.openSound().chooseSpeaker(id) : this.own.choose(kind, id);
  }

  wantPictures(pictures: readonly WantedPicture[]): void {
    this.command({ type: "wantPictures", pictures });
  }

  show(participant: ParticipantId, source: "camera" | "screen", screen: Screen): () => void {
    return this.painter.show(keyOf(participant, source), screen);
  }

  setVolume(participant: ParticipantId, volume: number): void {
    this.command({ type: "volume", participant, volume: Math.min(Math.max(volume, 0), 2) });
  }

  setDataSaver(on: boolean): void {
    this.command({ type: "dataSaver", on });
  }

  setReceivedHeight(lines: 180 | 360 | 720): void {
    this.command({ type: "receivedHeight", lines });
  }

  chat(text: string, to?: ParticipantId): Promise<void> {
    return this.request({ type: "chat", text, to });
  }

  raiseHand(): Promise<void> {
    return this.request({ type: "raiseHand" });
  }

  lowerHand(participant?: ParticipantId): Promise<void> {
    return this.request({ type: "lowerHand", participant });
  }

  ask(participant: ParticipantId, source: AskedSource, on: boolean): Promise<void> {
    return this.request({ type: "muteOther", participant, source, muted: !on, hard: false });
  }

  hold(source: HeldSource, participant?: ParticipantId): Promise<void> {
    return this.request({ type: "muteOther", participant, source, muted: true, hard: true });
  }

  release(source: HeldSource, participant?: ParticipantId): Promise<void> {
    return this.request({ type: "muteOther", participant, source, muted: false, hard: true });
  }

  lowerAllHands(): Promise<void> {
    return this.request({ type: "lowerAllHands" });
  }

  setRole(participant: ParticipantId, role: Role): Promise<void> {
    return this.request({ type: "setRole", participant, role });
  }

  remove(participant: ParticipantId): Promise<void> {
    return this.request({ type: "remove", participant });
  }

  async setRoom(changes: RoomChanges): Promise<void> {
    const { title, limit, locked, audioOnly } = changes;
    const requests: Request[] = [];
    // A server saves one change of a room at a time.
    if (title !== undefined || limit !== undefined) requests.push({ type: "updateRoom", title, limit });
    if (locked !== undefined) requests.push({ type: "lockRoom", locked });
    if (audioOnly !== undefined) requests.push({ type: "setAudioOnly", audioOnly });
    await Promise.all(requests.map((request) => this.request(request)));
  }

  callUp(participant: ParticipantId): Promise<void> {
    return this.request({ type: "callUp", participant });
  }

  closeRoom(): Promise<void> {
    return this.request({ type: "closeRoom" });
  }

  changePassword(current: string, next: string): Promise<void> {
    return this.request({ type: "changePassword", current, next });
  }

  // The worker

  private openSound(): Sound {
    this.sound ??= new Sound((soundPaused) => this.update({ soundPaused }));
    return this.sound;
  }

  private command(command: Command, transfer: Transferable[] = []): void {
    if (this.worker === undefined) {
      this.worker = new Worker(workerUrl, { type: "module" });
      this.worker.onmessage = (event: MessageEvent<Report>) => this.take(event.data);
      this.worker.onerror = (event) => this.broken(event.message);
    }
    this.worker.postMessage(command, transfer);
  }

  private request(request: Request): Promise<void> {
    const number = (this.requests += 1);
    return new Promise((resolve, reject: (problem: Problem) => void) => {
      this.answers.set(number, (problem) => (problem === undefined ? resolve() : reject(problem)));
      this.command({ type: "request", number, request });
    });
  }

  private take(report: Report): void {
    switch (report.type) {
      case "phase":
        this.phase(report.phase);
        break;
      case "room": {
        this.update({ room: report.room && keep(this.state.room, report.room) });
        break;
      }
      case "people": {
        const { me } = this.state;
        this.update({
          me: report.me && keep(me, report.me),
          participants: keepAll(this.state.participants, report.others),
          recentSpeakers: report.recentSpeakers,
        });
        if (report.me?.permissions !== me?.permissions) this.own.rightsChanged();
        break;
      }
      case "chat":
        this.update({ chat: withLine(this.state.chat, report.line) });
        break;
      case "publishing":
        this.own.published(report.media, report.state);
        break;
      case "microphoneNotice":
        this.update({ microphoneNotice: report.notice });
        break;
      case "statistics":
        this.update({ statistics: report.statistics, degraded: report.degraded, advice: report.advice });
        break;
      case "limited":
        this.update({ limited: report.pictures });
        break;
      case "happening":
        this.own.happened(report.happening);
        this.happen(report.happening);
        break;
      case "picture":
        this.painter.take(keyOf(report.participant, report.source), report.frame, report.showAt);
        break;
      case "pictureEnded":
        this.painter.end(keyOf(report.participant, report.source));
        break;
      case "answer":
        this.answers.get(report.number)?.(report.problem);
        this.answers.delete(report.number);
        break;
    }
  }

  private phase(phase: MeetingState["phase"]): void {
    this.update({ phase });
    this.own.phaseChanged();
    if (phase.name === "inside") this.entering?.resolve();
    else if (phase.name === "ended") this.entering?.reject(phase.reason);
    else return;
    this.entering = undefined;
  }

  /** The worker could not be loaded, or broke: a fault of ours. */
  private broken(detail: string): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.playing = false;
    const reason: Problem = { code: "internal", detail, retryAfter: 0 };
    for (const answer of this.answers.values()) answer(reason);
    this.answers.clear();
    this.entering?.reject(reason);
    this.entering = undefined;
    this.update({ phase: { name: "ended", reason } });
  }

  private happen(happening: Happening): void {
    for (const listener of this.happenings) listener(happening);
  }

  private update(changes: Partial<MeetingState>): void {
    const names = Object.keys(changes) as (keyof MeetingState)[];
    if (names.every((name) => Object.is(this.state[name], changes[name]))) return;
    this.state = { ...this.state, ...changes };
    if (this.isChanged) return;
    this.isChanged = true;
    if (document.hidden) setTimeout(() => this.notify(), HIDDEN_INTERVAL);
    else requestAnimationFrame(() => this.notify());
  }

  private notify(): void {
    if (!this.isChanged) return;
    this.isChanged = false;
    for (const listener of this.listeners) listener();
  }
}

function keyOf(participant: ParticipantId, source: PictureSource): string {
  return `${participant} ${source}`;
}

function withLine(chat: readonly ChatLine[], line: ChatLine): readonly ChatLine[] {
  const at = chat.findIndex((known) => known.id === line.id);
  return at < 0 ? [...chat, line].slice(-MAX_CHAT) : chat.map((known, i) => (i === at ? line : known));
}

/** Whether the browser has all that the engine needs. */
function isCapable(): boolean {
  const needed = ["AudioEncoder", "AudioDecoder", "VideoEncoder", "VideoDecoder", "AudioWorkletNode", "indexedDB"];
  return needed.every((name) => name in globalThis);
}
