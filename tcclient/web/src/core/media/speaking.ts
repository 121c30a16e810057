/**
 * Who speaks, by what was heard: the voice flag and the level in the headers of sound that opened.
 *
 * Nothing that is shown of speech is the server's word: it could point at another speaker, or hide that somebody is heard.
 */

import { type AudioHeader, SPEECH_LEVEL } from "../../protocol/packet.js";
import { NEVER } from "../timers.js";

/** Seconds for which somebody goes on speaking after the last packet of speech: the pauses between words. */
export const HOLD = 0.4;
/**
 * Seconds for which packets may still come in after their track was said to be muted, since they were on the way; and for
 * which they have to go on coming after that, for the track to be shown as not muted.
 */
export const MUTE_GRACE = 1.0;

/** Tell whether a packet of sound is one of speech. */
export function isSpeech(header: AudioHeader): boolean {
  return !header.comfort && (header.voice || header.level <= SPEECH_LEVEL);
}

/** Who speaks now, and who is dominant: who has spoken longest of them, and stays so until somebody else is. */
export class Speaking {
  /** Participant; 0 before anybody spoke. */
  dominant = 0;
  /** When `handleTimeout` is due, or earlier. */
  nextDeadline = NEVER;
  /** Of those who speak, in the order in which they began. */
  readonly #until = new Map<number, number>();

  /** Take a packet; tell whether its speaker begins with it. */
  heard(participant: number, header: AudioHeader, now: number): boolean {
    if (!isSpeech(header)) return false;
    const begins = !this.#until.has(participant);
    this.#until.set(participant, now + HOLD);
    if (begins) {
      this.nextDeadline = Math.min(this.nextDeadline, now + HOLD);
      if (!this.#until.has(this.dominant)) this.dominant = participant;
    }
    return begins;
  }

  /** Somebody is gone; tell whether it spoke. */
  left(participant: number): boolean {
    const spoke = this.#until.delete(participant);
    this.#choose();
    if (participant === this.dominant) this.dominant = 0;
    return spoke;
  }

  /** Return who has stopped speaking. */
  handleTimeout(now: number): number[] {
    if (now < this.nextDeadline) return [];
    const stopped = [...this.#until].filter(([, until]) => now >= until).map(([participant]) => participant);
    for (const participant of stopped) this.#until.delete(participant);
    this.nextDeadline = Math.min(NEVER, ...this.#until.values());
    this.#choose();
    return stopped;
  }

  #choose(): void {
    if (this.#until.has(this.dominant)) return;
    for (const participant of this.#until.keys()) {
      this.dominant = participant;
      return;
    }
  }
}

/** A track that the server calls muted. */
interface Muted {
  /** Until when packets prove nothing. */
  readonly graceEnds: number;
  /** The first and the newest packet since then of a row without a gap. */
  first: number;
  newest: number;
  isFound: boolean;
}

/** Tracks that the server calls muted, and of which packets come all the same. By `trackKey`. */
export class Unmuted {
  readonly #muted = new Map<string, Muted>();

  /** The server says whether a track is muted. */
  said(track: string, muted: boolean, now: number): void {
    if (!muted) this.ended(track);
    else if (!this.#muted.has(track)) {
      this.#muted.set(track, { graceEnds: now + MUTE_GRACE, first: -NEVER, newest: -NEVER, isFound: false });
    }
  }

  /** A track has ended, or is not called muted any more. */
  ended(track: string): void {
    this.#muted.delete(track);
  }

  /**
   * A packet of a track opened; tell whether it is now found not to be muted, once.
   *
   * A burst is no proof: a server may send pictures again that are older than the mute.
   */
  came(track: string, now: number): boolean {
    const muted = this.#muted.get(track);
    if (muted === undefined || muted.isFound || now < muted.graceEnds) return false;
    if (now > muted.newest + MUTE_GRACE) muted.first = now;
    muted.newest = now;
    muted.isFound = now >= muted.first + MUTE_GRACE;
    return muted.isFound;
  }
}
