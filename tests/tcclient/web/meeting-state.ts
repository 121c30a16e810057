/** States of a meeting for tests. */

import type { MeetingState, OwnSource, Participant } from "../../../tcclient/web/src/engine/meeting.js";

const OFF: OwnSource = { state: "off", fault: undefined, stream: undefined };

/** Return a participant who is there, sees nothing and says nothing, with changes. */
export function participant(id: number, changes: Partial<Participant> = {}): Participant {
  return {
    id,
    account: `account${id}`,
    agency: "Dinas Kesehatan",
    name: `Person ${id}`,
    role: "speaker",
    permissions: 0x3f,
    maySpeak: true,
    mayShow: true,
    mayShare: true,
    mayWrite: true,
    mayLead: false,
    trust: "verified",
    hand: 0,
    speaking: false,
    microphone: "muted",
    camera: false,
    cameraStopped: undefined,
    screen: false,
    quality: 3,
    volume: 1,
    ...changes,
  };
}

/** Return the state inside of a room with participants, with changes. */
export function inside(participants: readonly Participant[], changes: Partial<MeetingState> = {}): MeetingState {
  return {
    phase: { name: "inside" },
    room: undefined,
    me: participant(1000),
    participants,
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
    ...changes,
  };
}
