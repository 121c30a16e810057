/** The devices of this machine, and a sound to test the speaker with. */

import type { Meeting } from "../engine/meeting.js";
import type { Preferences } from "./preferences.js";
import type { Device, DeviceKind } from "./view.js";

const KINDS: Readonly<Record<MediaDeviceKind, DeviceKind>> = {
  audioinput: "microphone",
  videoinput: "camera",
  audiooutput: "speaker",
};

/** Sort what the browser lists. The entry "default" repeats another device, and one without an id cannot be chosen. */
export function sortDevices(
  listed: readonly Pick<MediaDeviceInfo, "deviceId" | "kind" | "label">[],
): Readonly<Record<DeviceKind, readonly Device[]>> {
  const devices: Record<DeviceKind, Device[]> = { microphone: [], camera: [], speaker: [] };
  for (const { deviceId, kind, label } of listed) {
    if (deviceId !== "" && deviceId !== "default") devices[KINDS[kind]].push({ id: deviceId, label });
  }
  return devices;
}

/** Call `changed` with the devices now, and whenever they change. */
export function watchDevices(changed: (devices: Readonly<Record<DeviceKind, readonly Device[]>>) => void): () => void {
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
  // Without a secure context the browser has none.
  if (mediaDevices === undefined) return () => undefined;
  const list = () => void mediaDevices.enumerateDevices().then((listed) => changed(sortDevices(listed)));
  mediaDevices.addEventListener("devicechange", list);
  list();
  return list;
}

/**
 * Return the id of the speaker to be used from now on, where the list has changed: the default when the chosen one is gone,
 * the chosen one when it is back. Undefined: the same as before.
 */
export function speakerInstead(
  before: readonly Device[],
  after: readonly Device[],
  chosen: string,
): string | undefined {
  const [was, is] = [before, after].map((list) => list.some(({ id }) => id === chosen));
  // Until the browser tells ids, the list is empty.
  if (chosen === "" || was === is || before.length === 0) return undefined;
  return is ? chosen : "";
}

/** Open the devices that a person used the last time; one that is gone is replaced by the default of the browser. */
export async function openDevices(meeting: Meeting, preferences: Preferences): Promise<void> {
  const { microphone, camera, speaker, microphoneOn, cameraOn } = preferences;
  // Where a speaker is gone, the sound comes from the default.
  if (speaker !== "") await meeting.chooseDevice("speaker", speaker).catch(() => undefined);
  for (const [kind, id, on, open] of [
    ["microphone", microphone, microphoneOn, () => meeting.setMicrophone(true)],
    ["camera", camera, cameraOn, () => meeting.setCamera(true)],
  ] as const) {
    if (id !== "") await meeting.chooseDevice(kind, id);
    if (!on) continue;
    await open();
    if (meeting.state[kind].fault !== "missing" || id === "") continue;
    await meeting.chooseDevice(kind, "");
    await open();
  }
}

/** Seconds of the test sound. */
export const TEST_SECONDS = 1.2;
/** Two notes, in Hz. */
const TEST_NOTES = [523.25, 659.25] as const;
/** Loudness of a note, as a part of full scale: to be heard, not to frighten. */
const TEST_GAIN = 0.2;

/** Play a short sound on a speaker; an empty id is the default of the browser. */
export async function playTestSound(speaker: string): Promise<void> {
  const context = new AudioContext();
  try {
    if (speaker !== "" && "setSinkId" in context) {
      await (context as AudioContext & { setSinkId(id: string): Promise<void> }).setSinkId(speaker);
    }
    await context.resume();
    const length = TEST_SECONDS / TEST_NOTES.length;
    TEST_NOTES.forEach((frequency, index) => {
      const start = context.currentTime + index * length;
      const note = new OscillatorNode(context, { frequency });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(TEST_GAIN, start + 0.05);
      gain.gain.linearRampToValueAtTime(0, start + length);
      note.connect(gain).connect(context.destination);
      note.start(start);
      note.stop(start + length);
    });
    await new Promise((done) => setTimeout(done, TEST_SECONDS * 1000 + 200));
  } finally {
    await context.close();
  }
}
