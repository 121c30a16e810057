/** Holds the state of the page, draws it after each change, and does what a person asks for. */

import { html, render, type TemplateResult } from "lit-html";

import type { Meeting, MeetingState, ParticipantId } from "../engine/meeting.js";
import { countUnread } from "./chat.js";
import { readAddress, withRoom } from "./address.js";
import { Attention } from "./attention.js";
import { DepartureQuestion } from "./departure.js";
import { openDevices, playTestSound, speakerInstead, watchDevices } from "./devices.js";
import { FloatingPicture, ScreenLock, toggleFullScreen } from "./floating.js";
import { pickLanguage, translator, type Language } from "./language.js";
import { floatingTile, pinnedKey, tileKey, wantedPictures, type Pin, type Size } from "./layout.js";
import { lobby } from "./lobby.js";
import { arrangement, ended, meeting as meetingView, toasts } from "./meeting.js";
import { loadPreferences, storePreferences, type Preferences } from "./preferences.js";
import { asProblem, problemText } from "./problems.js";
import { Requests } from "./requests.js";
import { abilities, missingFeatures } from "./support.js";
import { talkWithSpace } from "./talk.js";
import { addToast, changedRole, dropOldToasts, raisedHands, tellHappening, type Toast } from "./toasts.js";
import type { Actions, DeviceKind, Dialog, Entry, PageState, Panel, View } from "./view.js";

/** Milliseconds between two looks whether a message has to go. */
const TOAST_TICK_MS = 500;

/** What has no meaning after a meeting. */
const OUTSIDE = {
  panel: "none",
  dialog: undefined,
  pinned: undefined,
  menu: undefined,
  unread: 0,
  receiver: undefined,
} as const;

/** The page of one meeting. */
export class App extends Requests implements Actions {
  readonly #root: HTMLElement;
  readonly #floating: FloatingPicture;
  readonly #screenLock = new ScreenLock();
  readonly #departure = new DepartureQuestion();
  readonly #attention = new Attention(document, () => this.#draw());
  #page: PageState;
  #drawn: MeetingState;
  #wanted = "";
  /** The room that was asked for last: as typed, where the address names none. */
  #room = "";
  #lastSeenLine = "";
  #toasts = 0;
  /** Where the focus goes when the open dialog or panel closes. */
  #focusBefore: HTMLElement | undefined;
  #pending = false;
  #listDevices: () => void = () => undefined;

  constructor(meeting: Meeting, root: HTMLElement) {
    super(meeting);
    this.#root = root;
    this.#drawn = meeting.state;
    this.#floating = new FloatingPicture(meeting);
    talkWithSpace(
      () => mayTalk(meeting.state),
      (on) => void meeting.setMicrophone(on),
    );
    this.#page = {
      invitation: readAddress(new URL(location.href)),
      preferences: loadPreferences(),
      missing: missingFeatures(globalThis),
      devices: { microphone: [], camera: [], speaker: [] },
      problem: undefined,
      screen: "lobby",
      ...OUTSIDE,
      stage: { width: 0, height: 0 },
      toasts: [],
      testingSound: false,
      can: abilities(),
    };
  }

  /** Draw the page, open the devices, and get the engine ready while the person types. */
  start(): void {
    this.meeting.watch(() => this.#changed());
    this.meeting.onHappening((happening) => this.#tell(tellHappening(happening, this.#t)));
    addEventListener("hashchange", () => this.#set({ invitation: readAddress(new URL(location.href)) }));
    setInterval(() => this.#set({ toasts: dropOldToasts(this.#page.toasts, seconds()) }), TOAST_TICK_MS);
    this.#draw();
    if (this.#page.missing.length > 0) return;
    this.meeting.prepare();
    const { dataSaver, receivedHeight } = this.#page.preferences;
    this.meeting.setDataSaver(dataSaver);
    this.meeting.setReceivedHeight(receivedHeight);
    this.#listDevices = watchDevices((devices) => this.#takeDevices(devices));
    void openDevices(this.meeting, this.#page.preferences);
  }

  /** A speaker that is unplugged takes all sound with it. */
  #takeDevices(devices: PageState["devices"]): void {
    const instead = speakerInstead(this.#page.devices.speaker, devices.speaker, this.#page.preferences.speaker);
    this.#set({ devices });
    if (instead === undefined) return;
    void this.request(this.meeting.chooseDevice("speaker", instead));
    if (instead === "") this.#tell(tellHappening({ type: "device_changed", source: "speaker", label: "" }, this.#t));
  }

  // What is drawn.

  get #language(): Language {
    return pickLanguage(this.#page.preferences.language, navigator.languages);
  }

  get #t() {
    return translator(this.#language);
  }

  /** Change the state of the page, and draw it soon. */
  #set(change: Partial<PageState>): void {
    const same = Object.entries(change).every(([name, value]) => this.#page[name as keyof PageState] === value);
    if (same) return;
    this.#page = { ...this.#page, ...change };
    if (this.#pending) return;
    this.#pending = true;
    queueMicrotask(() => {
      this.#pending = false;
      this.#draw();
    });
  }

  /** Take in a change of the meeting. */
  #changed(): void {
    const { state } = this.meeting;
    const before = this.#drawn;
    this.#drawn = state;
    for (const told of raisedHands(before.participants, state.participants, this.#t)) this.#tell(told);
    const role = changedRole(before.me, state.me, this.#t);
    if (role !== undefined) this.#tell(role);
    if (state.chat !== before.chat) this.#countUnread(state);
    // The names of devices are known once one is open.
    if (state.microphone.stream !== before.microphone.stream || state.camera.stream !== before.camera.stream) {
      this.#listDevices();
    }
    if (state.phase.name !== before.phase.name) this.#enterPhase(state);
    this.#draw();
  }

  #enterPhase(state: MeetingState): void {
    const { name } = state.phase;
    const inside = name === "inside" || name === "returning";
    const was = this.#page.screen;
    this.#screenLock.want(inside);
    this.#departure.want(inside);
    if (inside) {
      const invitation = { ...this.#page.invitation, room: this.#room };
      history.replaceState(null, "", withRoom(new URL(location.href), this.#room));
      this.#page = { ...this.#page, invitation, screen: "meeting" };
    } else if (was === "meeting") {
      this.#floating.close();
      this.#lastSeenLine = "";
      this.#page = { ...this.#page, ...OUTSIDE, screen: name === "ended" ? "ended" : "lobby" };
    }
  }

  #countUnread({ chat }: MeetingState): void {
    if (this.#page.panel === "chat") {
      this.#lastSeenLine = chat.at(-1)?.id ?? "";
      return;
    }
    this.#page = { ...this.#page, unread: countUnread(chat, this.#lastSeenLine) };
  }

  #draw(): void {
    const language = this.#language;
    const t = this.#t;
    const view: View = {
      t,
      language,
      state: this.meeting.state,
      page: this.#page,
      act: this,
      pictures: this.meeting,
    };
    const { room } = this.#page.invitation;
    document.documentElement.lang = language;
    document.title = room === "" ? t("page.title") : `${room} · ${t("page.title")}`;
    render(html`${screen(view)}${toasts(view)}`, this.#root);
    this.#askForPictures(view);
  }

  #askForPictures(view: View): void {
    if (view.state.phase.name !== "inside") {
      this.#wanted = "";
      return;
    }
    const arranged = arrangement(view);
    this.#floating.follow(floatingTile(arranged));
    const wanted = wantedPictures(arranged, devicePixelRatio, this.#attention.isSeen, this.#floating.shown);
    const key = JSON.stringify(wanted);
    if (key === this.#wanted) return;
    this.#wanted = key;
    this.meeting.wantPictures(wanted);
  }

  #tell(told: Omit<Toast, "id" | "until">): void {
    this.#set({ toasts: addToast(this.#page.toasts, told, ++this.#toasts, seconds()) });
  }

  protected override async request(doing: Promise<void>): Promise<boolean> {
    try {
      await doing;
      return true;
    } catch (reason) {
      this.#tell({ text: problemText(this.#t, asProblem(reason)), tone: "warning", offer: undefined });
      return false;
    }
  }

  protected override async requestInDialog(doing: Promise<void>): Promise<boolean> {
    try {
      await doing;
    } catch (reason) {
      this.#set({ problem: asProblem(reason) });
      return false;
    }
    this.closeDialog();
    return true;
  }

  // Before and after a meeting.

  join({ account, password, name, room }: Entry): void {
    this.prefer({ account, name });
    this.#set({ problem: undefined });
    this.#room = room;
    const { fingerprint, e2ee } = this.#page.invitation;
    const { dataSaver } = this.#page.preferences;
    const options = { account, password, name, room, e2ee, dataSaver };
    void this.request(this.meeting.resumeSound());
    this.meeting.join(fingerprint === "" ? options : { ...options, fingerprint }).catch((reason: unknown) => {
      this.#set({ problem: asProblem(reason) });
      // A meeting that ends closes them.
      void openDevices(this.meeting, this.#page.preferences);
    });
  }

  leave(): void {
    this.meeting.leave();
  }

  startAgain(): void {
    this.#set({ screen: "lobby", problem: undefined });
    void openDevices(this.meeting, this.#page.preferences);
  }

  readNotice(): void {
    this.prefer({ noticeRead: true });
  }

  // Our own sound and picture.

  speakLanguage(language: Language): void {
    this.prefer({ language });
  }

  toggleMicrophone(): void {
    const { state } = this.meeting.state.microphone;
    const on = state !== "on" && state !== "starting";
    if (this.#page.screen === "lobby") this.prefer({ microphoneOn: on });
    void this.meeting.setMicrophone(on);
  }

  toggleCamera(): void {
    const { state } = this.meeting.state.camera;
    const on = state === "off" || state === "failed" || state === "muted";
    if (this.#page.screen === "lobby") this.prefer({ cameraOn: on });
    void this.meeting.setCamera(on);
  }

  toggleScreen(): void {
    const { state } = this.meeting.state.screen;
    void this.meeting.setScreen(state === "off" || state === "failed");
  }

  chooseDevice(kind: DeviceKind, id: string): void {
    this.prefer({ [kind]: id });
    void this.request(this.meeting.chooseDevice(kind, id));
  }

  testSound(): void {
    this.#set({ testingSound: true });
    void this.request(playTestSound(this.#page.preferences.speaker)).then(() => this.#set({ testingSound: false }));
  }

  // What is shown.

  openPanel(panel: Panel): void {
    const before = this.#page.panel;
    const seen = panel === "chat" ? { unread: 0 } : {};
    if (panel === "chat") this.#lastSeenLine = this.meeting.state.chat.at(-1)?.id ?? "";
    this.#set({ panel, menu: undefined, ...seen });
    if (panel === "none" && before !== "none") document.getElementById(`${before}-button`)?.focus();
  }

  openDialog(dialog: Dialog): void {
    if (this.#page.dialog === undefined) this.#focusBefore = document.activeElement as HTMLElement;
    this.#set({ dialog, problem: undefined });
  }

  closeDialog(): void {
    if (this.#page.dialog === undefined) return;
    this.#set({ dialog: undefined, problem: undefined });
    const before = this.#focusBefore;
    // Who closes with Escape has the focus back at once from the browser, and may have moved on since.
    setTimeout(() => {
      if (document.activeElement === document.body) before?.focus();
    });
  }

  openMenu(menu: ParticipantId | undefined): void {
    this.#set({ menu });
  }

  dismiss(toast: Toast): void {
    this.#set({ toasts: this.#page.toasts.filter((one) => one !== toast) });
  }

  accept(toast: Toast): void {
    this.dismiss(toast);
    switch (toast.offer?.action) {
      case "people":
        return this.openPanel("people");
      case "microphone_on":
      case "microphone_off":
        return void this.meeting.setMicrophone(toast.offer.action === "microphone_on");
      case "camera_on":
      case "camera_off":
        return void this.meeting.setCamera(toast.offer.action === "camera_on");
    }
  }

  measure(stage: Size): void {
    const { width, height } = this.#page.stage;
    if (width !== stage.width || height !== stage.height) this.#set({ stage });
  }

  toggleMode(): void {
    this.#set({ pinned: undefined });
    this.prefer({ mode: this.#page.preferences.mode === "grid" ? "speaker" : "grid" });
  }

  togglePin(pin: Pin): void {
    const key = tileKey(pin.participant.id, pin.source);
    this.#set({ pinned: pinnedKey(this.#page.pinned, this.meeting.state) === key ? undefined : pin });
  }

  toggleFullScreen(): void {
    void this.request(toggleFullScreen());
  }

  togglePictureInPicture(): void {
    const shown = floatingTile(arrangement({ state: this.meeting.state, page: this.#page }));
    if (shown === undefined && !this.#floating.isOpen) {
      this.#tell({ text: this.#t("top.no_picture"), tone: "calm", offer: undefined });
      return;
    }
    void this.request(this.#floating.toggle(shown));
  }

  prefer(change: Partial<Preferences>): void {
    const preferences = { ...this.#page.preferences, ...change };
    storePreferences(preferences);
    if (change.dataSaver !== undefined) this.meeting.setDataSaver(change.dataSaver);
    if (change.receivedHeight !== undefined) this.meeting.setReceivedHeight(change.receivedHeight);
    this.#set({ preferences });
  }

  // Texts.

  send(text: string): void {
    void this.request(this.meeting.chat(text, this.#page.receiver));
  }

  writeTo(receiver: ParticipantId | undefined): void {
    this.openPanel("chat");
    this.#set({ receiver });
  }

  changePassword(current: string, next: string): void {
    void this.requestInDialog(this.meeting.changePassword(current, next)).then((changed) => {
      if (changed) this.#tell({ text: this.#t("password.changed"), tone: "calm", offer: undefined });
    });
  }
}

function screen(view: View): TemplateResult {
  const { phase } = view.state;
  if (view.page.screen === "meeting") return meetingView(view);
  return view.page.screen === "ended" && phase.name === "ended" ? ended(view, phase) : lobby(view);
}

/** Tell whether the space bar opens our microphone: it is muted, or was left off before the meeting. */
const mayTalk = ({ phase, me, microphone }: MeetingState): boolean =>
  phase.name === "inside" && me?.maySpeak === true && (microphone.state === "muted" || microphone.state === "off");

const seconds = (): number => performance.now() / 1000;
