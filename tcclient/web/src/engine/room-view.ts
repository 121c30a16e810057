/** What happens in the room, as the page is told of it: people, texts and findings. For the worker. */

import type { ChatFailed, ChatReceived, ChatSent, Event, MuteAsked, Participant as Member } from "../core/events.js";
import { type Acquaintance, DevicePins } from "../core/membership/pins.js";
import type { RoomState } from "../core/membership/roster.js";
import { hex } from "../protocol/bytes.js";
import type { PublicationInfo, Quality } from "../protocol/messages.js";
import { visibleName } from "../protocol/names.js";
import type { Report } from "./commands.js";
import type { ChatLine, Participant, ParticipantId } from "./facts.js";
import { describe, type Findings, RecentSpeakers, type Volumes } from "./participant.js";

/** Texts of ours whose fate is still open: far more than anybody writes at once. */
const MAX_OPEN_TEXTS = 64;

/** What stands between agency and name. */
const BETWEEN = " / ";

/** Follows one seat in the room. */
export class RoomView {
  private readonly newDevices = new Set<ParticipantId>();
  private readonly silent = new Set<ParticipantId>();
  private readonly speaking = new Set<ParticipantId>();
  private readonly qualities = new Map<ParticipantId, Quality>();
  private readonly recent = new RecentSpeakers();
  private readonly openTexts = new Map<string, ChatLine>();
  /** Whether the first roster has been told: those who are in it have not just entered. */
  private settled = false;

  constructor(
    private readonly room: RoomState,
    private readonly pins: DevicePins,
    private readonly volumes: Volumes,
    private readonly report: (report: Report) => void,
  ) {}

  /** Take an event of the session; return whether people or the room look otherwise now. */
  take(event: Event): boolean {
    switch (event.type) {
      case "participantJoined":
        this.entered(event.participant);
        return true;
      case "participantLeft":
        this.left(event.participant);
        return true;
      case "speakers":
        this.speakers(event.started, event.stopped);
        return true;
      case "memberSilent":
        this.silent.add(event.participant);
        return true;
      case "memberHeard":
        this.silent.delete(event.participant);
        return true;
      case "connectionQuality":
        this.qualities.set(event.participant, event.quality);
        return true;
      case "muteAsked":
        this.muteAsked(event);
        return false;
      case "chatReceived":
        this.chatReceived(event);
        return false;
      case "chatSent":
      case "chatFailed":
        this.chatEnded(event);
        return false;
      default:
        return ROSTER_EVENTS.has(event.type);
    }
  }

  /** Our connection is so good now. */
  ownQuality(quality: Quality): void {
    this.qualities.set(this.room.own, quality);
  }

  /** A text of ours was given to the session. */
  chatSending(messageId: Uint8Array, text: string, to: ParticipantId | undefined): void {
    const me = this.room.members.get(this.room.own);
    const line: ChatLine = {
      id: hex(messageId),
      from: this.room.own,
      label: me === undefined ? "" : labelOf(me),
      to,
      own: true,
      text,
      at: Date.now(),
      state: "sending",
    };
    if (this.openTexts.size < MAX_OPEN_TEXTS) this.openTexts.set(line.id, line);
    this.report({ type: "chat", line });
  }

  /** Tell the page who is here and what the room is. */
  tell(): void {
    this.settled = true;
    const { name, title, maxParticipants, permanent, locked, audioOnly, e2ee } = this.room.room;
    const safetyCode = this.room.safetyCode();
    this.report({
      type: "room",
      room: { name, title, limit: maxParticipants, locked, audioOnly, permanent, e2ee, safetyCode },
    });
    const publications = new Map<ParticipantId, PublicationInfo[]>();
    for (const info of this.room.publications.values()) {
      publications.set(info.participant, [...(publications.get(info.participant) ?? []), info]);
    }
    const people = [...this.room.members.values()].map((member) =>
      describe(member, publications.get(member.member.participant) ?? [], this.findings()),
    );
    this.report({
      type: "people",
      me: people.find((person) => person.id === this.room.own),
      others: people.filter((person) => person.id !== this.room.own),
      recentSpeakers: this.recent.list,
    });
  }

  /** Return a member as the page shows it. */
  person(id: ParticipantId): Participant | undefined {
    const member = this.room.members.get(id);
    if (member === undefined) return undefined;
    const own = [...this.room.publications.values()].filter((info) => info.participant === id);
    return describe(member, own, this.findings());
  }

  private findings(): Findings {
    const { newDevices, silent, speaking, qualities, volumes } = this;
    return { newDevices, silent, speaking, qualities, volumes };
  }

  private entered(member: Member): void {
    const { participant: id, account, deviceKey } = member.member;
    const acquaintance: Acquaintance = member.verified ? this.pins.meet(account, deviceKey) : "known";
    if (acquaintance === "new") this.newDevices.add(id);
    if (id === this.room.own) return;
    const participant = this.person(id) ?? describe(member, [], this.findings());
    if (acquaintance === "new") this.report({ type: "happening", happening: { type: "new_device", participant } });
    if (this.settled) this.report({ type: "happening", happening: { type: "entered", participant } });
  }

  private left(member: Member): void {
    const id = member.member.participant;
    const participant = describe(member, [], this.findings());
    for (const found of [this.newDevices, this.silent, this.speaking, this.qualities]) found.delete(id);
    this.recent.left(id);
    this.report({ type: "happening", happening: { type: "left", participant } });
  }

  private speakers(started: readonly ParticipantId[], stopped: readonly ParticipantId[]): void {
    for (const id of stopped) this.speaking.delete(id);
    for (const id of started) {
      this.speaking.add(id);
      if (id !== this.room.own) this.recent.spoke(id);
    }
  }

  private muteAsked(event: MuteAsked): void {
    const by = this.person(event.participant);
    if (by === undefined || (event.source !== "microphone" && event.source !== "camera")) return;
    this.report({ type: "happening", happening: { type: "asked", by, source: event.source, on: !event.muted } });
  }

  private chatReceived(event: ChatReceived): void {
    const notice = event.participant === 0 || event.scope === "server";
    const line: ChatLine = {
      id: `${event.participant} ${hex(event.messageId)}`,
      from: notice ? undefined : event.participant,
      label: event.name.split(BETWEEN).map(visibleName).join(BETWEEN),
      to: event.scope === "participant" ? this.room.own : undefined,
      own: false,
      text: event.text,
      at: event.sentAt,
      state: "sent",
    };
    this.report({ type: "chat", line });
    if (notice) this.report({ type: "happening", happening: { type: "notice", text: event.text } });
  }

  private chatEnded(event: ChatSent | ChatFailed): void {
    const id = hex(event.messageId);
    const line = this.openTexts.get(id);
    this.openTexts.delete(id);
    if (line === undefined) return;
    const at = event.type === "chatSent" ? event.sentAt : line.at;
    this.report({ type: "chat", line: { ...line, at, state: event.type === "chatSent" ? "sent" : "failed" } });
  }
}

const ROSTER_EVENTS: ReadonlySet<Event["type"]> = new Set<Event["type"]>([
  "participantUpdated",
  "handChanged",
  "trackPublished",
  "trackUpdated",
  "trackUnpublished",
  "roomUpdated",
  "membershipMismatch",
  "membershipAgreed",
]);

function labelOf({ member }: Member): string {
  return `${member.agency}${BETWEEN}${member.name}`;
}
