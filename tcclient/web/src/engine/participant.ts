/** The members of the room as the page shows them, made of the roster and of what was heard. */

import type { Participant as Member } from "../core/events.js";
import { Permission, type PublicationInfo, type Quality } from "../protocol/messages.js";
import { visibleName } from "../protocol/names.js";
import type { Participant, ParticipantId, Trust } from "./facts.js";
import { isShown, stopOf } from "./subscription.js";

/** Speakers that are remembered, so that the loudest stay in view when they pause. */
export const RECENT_SPEAKERS = 16;
/** Volumes that are remembered; no meeting has as many people whom somebody makes louder or softer. */
export const REMEMBERED_VOLUMES = 100;
const BARS = { lost: 0, poor: 1, good: 2, excellent: 3, unknown: 3 } as const;

/** What is known of members besides the roster; by participant. */
export interface Findings {
  readonly newDevices: ReadonlySet<ParticipantId>;
  readonly silent: ReadonlySet<ParticipantId>;
  readonly speaking: ReadonlySet<ParticipantId>;
  readonly volumes: Volumes;
  readonly qualities: ReadonlyMap<ParticipantId, Quality>;
}

/** Return a member as the page shows it; `publications` are those of the member. */
export function describe(member: Member, publications: readonly PublicationInfo[], findings: Findings): Participant {
  const { participant: id, account, role, permissions, hand } = member.member;
  const [agency, name] = [visibleName(member.member.agency), visibleName(member.member.name)];
  const [microphone, camera] = (["microphone", "camera"] as const).map((source) =>
    publications.find((info) => info.source === source),
  );
  return {
    id,
    account,
    agency,
    name,
    role,
    permissions,
    maySpeak: (permissions & Permission.PUBLISH_AUDIO) !== 0,
    mayShow: (permissions & Permission.PUBLISH_VIDEO) !== 0,
    mayShare: (permissions & Permission.PUBLISH_SCREEN) !== 0,
    mayWrite: (permissions & (Permission.CHAT_ROOM | Permission.CHAT_PRIVATE)) !== 0,
    mayLead: (permissions & Permission.MUTE_OTHERS) !== 0,
    trust: trustOf(member, findings),
    hand: Number(hand),
    speaking: findings.speaking.has(id),
    microphone: microphoneOf(microphone),
    camera: camera !== undefined && isShown(camera),
    cameraStopped: camera && stopOf(camera),
    screen: publications.some((info) => info.source === "screen" && isShown(info)),
    quality: findings.silent.has(id) ? 0 : BARS[findings.qualities.get(id) ?? "unknown"],
    volume: findings.volumes.of(member.member),
  };
}

function microphoneOf(info: PublicationInfo | undefined): Participant["microphone"] {
  if (info === undefined) return "none";
  if (!info.muted) return "live";
  return info.held ? "held" : "muted";
}

function trustOf(member: Member, findings: Findings): Trust {
  if (!member.verified) return "unverified";
  if (findings.newDevices.has(member.member.participant)) return "new_device";
  return findings.silent.has(member.member.participant) ? "silent" : "verified";
}

/** Remembers the chosen volumes. Who comes back has another id, but the same account and name. */
export class Volumes {
  private readonly chosen = new Map<string, number>();

  /** Return the volume of a participant, 0 to 2; 1 unless another was chosen. */
  of(participant: Pick<Participant, "account" | "name">): number {
    return this.chosen.get(nameOf(participant)) ?? 1;
  }

  /** Remember a volume; beyond the limit, the one that was chosen first is forgotten. */
  choose(participant: Pick<Participant, "account" | "name">, volume: number): void {
    const name = nameOf(participant);
    this.chosen.delete(name);
    this.chosen.set(name, volume);
    for (const first of this.chosen.keys()) {
      if (this.chosen.size <= REMEMBERED_VOLUMES) return;
      this.chosen.delete(first);
    }
  }
}

function nameOf({ account, name }: Pick<Participant, "account" | "name">): string {
  return JSON.stringify([account, name]);
}

/** Keeps who spoke lately, the latest first. */
export class RecentSpeakers {
  private speakers: ParticipantId[] = [];

  get list(): readonly ParticipantId[] {
    return this.speakers;
  }

  /** Somebody begins to speak. */
  spoke(participant: ParticipantId): void {
    this.speakers = [participant, ...this.speakers.filter((id) => id !== participant)].slice(0, RECENT_SPEAKERS);
  }

  left(participant: ParticipantId): void {
    this.speakers = this.speakers.filter((id) => id !== participant);
  }
}

/** Return `next`, or `before` where both say the same: the page compares parts of its state by identity. */
export function keep<T extends object>(before: T | undefined, next: T): T {
  return before !== undefined && isSame(before, next) ? before : next;
}

/** Return a list of parts, each kept where it says the same as one before; all of it where nothing changed. */
export function keepAll<T extends { readonly id: unknown }>(before: readonly T[], next: readonly T[]): readonly T[] {
  const known = new Map(before.map((part) => [part.id, part]));
  const list = next.map((part) => keep(known.get(part.id), part));
  return list.length === before.length && list.every((part, i) => part === before[i]) ? before : list;
}

function isSame(a: object, b: object): boolean {
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return left.length === right.size && left.every(([key, value]) => Object.is(right.get(key), value));
}
