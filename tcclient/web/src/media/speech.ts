/** Level and presence of speech in a frame; mirrors what the native client does. */

/** The level of digital silence (RFC 6464 section 3). */
export const SILENCE_LEVEL = 127;
/** Seconds that voice lasts beyond the last loud frame: longer than the gaps inside a sentence. */
export const HANGOVER = 0.3;

/** dB above the noise that make voice: steady noise varies by 2 or 3 dB from frame to frame. */
const ABOVE_FLOOR = 9;
/** dBov: less is no voice, however quiet the room. */
const QUIETEST_VOICE = -55;
/** dBov: more is no noise, however steady, so that a long tone or music passes. */
const LOUDEST_FLOOR = -40;
/** dB per second: a fan that starts is noise after some seconds; the gaps between words undo what the words raised. */
const FLOOR_RISE = 2;
/** Of the difference, per frame: two frames of a gap are enough to find the floor. */
const FLOOR_FALL = 0.5;

/** dBov of loud frames that are assumed before any was heard. */
const USUAL_VOICE = -40;
/** dB per second by which the loudest frame is forgotten: pauses are found again soon after a speaker became quieter. */
const LOUDEST_FALL = 5;
/** dB below the loudest frames: the ends of words are louder, and so are most consonants. */
const QUIET_BELOW = 25;
const SAMPLE_RATE = 48_000;

/** The level of a frame as -dBov of its RMS, from 0 (loudest) to 127 (silence), as RFC 6464 defines it. */
export function audioLevel(pcm: Float32Array): number {
  return Math.round(Math.min(Math.max(-dbov(pcm), 0), SILENCE_LEVEL));
}

/** Tells voice from background noise by the level above an adaptive noise floor, with a hangover. */
export class VoiceDetector {
  private floor = QUIETEST_VOICE - ABOVE_FLOOR;
  private hangover = 0;

  /** Whether this frame belongs to speech; `seconds` is its length. Frames are given in order. */
  detect(pcm: Float32Array, seconds: number): boolean {
    const level = dbov(pcm);
    this.floor =
      level < this.floor
        ? this.floor + FLOOR_FALL * (level - this.floor)
        : Math.min(level, this.floor + FLOOR_RISE * seconds, LOUDEST_FLOOR);
    if (level >= Math.max(this.floor + ABOVE_FLOOR, QUIETEST_VOICE)) {
      this.hangover = HANGOVER;
      return true;
    }
    this.hangover -= seconds;
    return this.hangover > 0;
  }
}

/** Tells frames that are so much quieter than the speech around them that nobody hears how long they are. */
export class QuietDetector {
  private loudest = USUAL_VOICE;

  /** Whether this frame, at 48 kHz, is quiet. Frames are given in order. */
  detect(pcm: Float32Array): boolean {
    const level = dbov(pcm);
    this.loudest = Math.max(level, this.loudest - (LOUDEST_FALL * pcm.length) / SAMPLE_RATE);
    return level < this.loudest - QUIET_BELOW;
  }
}

/** Seconds of voice within `MUTED_WINDOW` after which a person is taken to speak into a muted microphone. */
export const MUTED_SPEECH = 0.6;
/** Seconds. */
export const MUTED_WINDOW = 1.5;

/** Notices that somebody speaks while the microphone is muted. */
export class MutedSpeech {
  private voice = 0;

  /** Take a frame of `seconds`, and whether it is voice; return whether somebody speaks. */
  heard(voice: boolean, seconds: number): boolean {
    const forgotten = (seconds * MUTED_SPEECH) / MUTED_WINDOW;
    this.voice = Math.min(Math.max(this.voice + (voice ? seconds : -forgotten), 0), 2 * MUTED_SPEECH);
    return this.voice >= MUTED_SPEECH;
  }

  /** The microphone is on again. */
  reset(): void {
    this.voice = 0;
  }
}

/** Seconds of digital silence after which a microphone that was never heard is taken to give no sound: others have noise. */
export const NEVER_HEARD = 10;
/** The same after it was heard: some that remove noise are silent in all pauses. */
export const HEARD_NO_MORE = 60;

/** Notices a microphone from which no sound comes, such as one that is switched off at its cable. */
export class SilentMicrophone {
  private silence = 0;
  private wasHeard = false;

  /** Take the level of a frame of `seconds`; return whether no sound comes. */
  heard(level: number, seconds: number): boolean {
    if (level < SILENCE_LEVEL) {
      this.wasHeard = true;
      this.silence = 0;
    } else this.silence += seconds;
    return this.silence >= (this.wasHeard ? HEARD_NO_MORE : NEVER_HEARD);
  }

  /** It is muted, or another one. */
  reset(): void {
    this.silence = 0;
    this.wasHeard = false;
  }
}

function dbov(pcm: Float32Array): number {
  let power = 0;
  for (const sample of pcm) power += sample * sample;
  return 10 * Math.log10(Math.max(power / Math.max(pcm.length, 1), 10 ** (-SILENCE_LEVEL / 10)));
}
