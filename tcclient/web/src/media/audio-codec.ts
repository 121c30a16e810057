/** Opus through WebCodecs, in the worker. */

import { VoiceBand } from "./band.js";
import { CAPTURE_FRAME } from "./sound-messages.js";

/**
 * Bits per second: 79 bytes for each frame. With the byte that counts the padding they fill five blocks of 16, to which
 * packets of sound are padded.
 */
export const BITRATE = 31_600;
/** The same for music and films: 159 bytes for each frame, and ten blocks. */
export const MUSIC_BITRATE = 63_600;
/** A frame of 20 ms of digital silence: a CELT frame whose first symbol says so (RFC 6716, sections 3.1 and 4.3). */
export const SILENT_FRAME = Uint8Array.of(0xf8, 0xff, 0xfe);

/** Frames that may wait in a codec: half a second. More means that it makes no sound of what it is given. */
const MAX_PENDING = 25;
/** Opus works at this rate, whatever is captured. */
const SAMPLE_RATE = 48_000;
const MICROSECONDS_PER_FRAME = (CAPTURE_FRAME / SAMPLE_RATE) * 1e6;
/** Seconds by which the count of samples may lag behind the clock before it jumps: a microphone that was changed. */
const MAX_SOUND_LAG = 0.2;

/** Counts the samples of a capture, and follows the clock where it paused. */
export class SampleClock {
  private samples = 0;
  private startedAt: number | undefined;

  /** Samples so far. */
  get count(): number {
    return this.samples;
  }

  /** Return the timestamp of the next `length` samples. */
  next(now: number, length: number): number {
    this.startedAt ??= now;
    const elapsed = Math.round((now - this.startedAt) * SAMPLE_RATE);
    if (elapsed - this.samples > MAX_SOUND_LAG * SAMPLE_RATE) this.samples = elapsed;
    const timestamp = this.samples;
    this.samples += length;
    return timestamp;
  }
}

/** An encoder for one rate of samples, and what was said of the frames that wait in it. */
interface Encoding<Note> {
  readonly encoder: AudioEncoder;
  readonly sampleRate: number;
  readonly notes: Note[];
}

/** Encodes frames of `CAPTURE_FRAME` samples; `output` gets each packet with what was said of its frame, in order. */
export class OpusSender<Note> {
  private band: VoiceBand | undefined;
  private encoding: Encoding<Note> | undefined;
  private encoded = 0;

  constructor(
    private readonly content: "voice" | "music",
    private readonly output: (packet: Uint8Array, note: Note) => void,
    private readonly failed: () => void,
  ) {
    if (content === "voice") this.band = new VoiceBand();
  }

  /** Encode a frame. A codec that is stuck is begun anew, and what waited in it is lost. */
  encode(pcm: Float32Array<ArrayBuffer>, note: Note): void {
    const samples = this.band?.take(pcm) ?? pcm;
    const sampleRate = (SAMPLE_RATE * samples.length) / pcm.length;
    const isStuck = this.encoding !== undefined && this.encoding.notes.length >= MAX_PENDING;
    if (isStuck || this.encoding?.encoder.state === "closed") this.close();
    if (this.encoding?.sampleRate !== sampleRate) this.finish();
    const { encoder, notes } = (this.encoding ??= this.open(sampleRate));
    notes.push(note);
    const data = new AudioData({
      format: "f32-planar",
      sampleRate,
      numberOfFrames: samples.length,
      numberOfChannels: 1,
      timestamp: this.encoded++ * MICROSECONDS_PER_FRAME,
      data: samples,
    });
    encoder.encode(data);
    data.close();
  }

  close(): void {
    if (this.encoding !== undefined && this.encoding.encoder.state !== "closed") this.encoding.encoder.close();
    this.encoding = undefined;
  }

  /** Let an encoder give what waits in it, and end. Not all browsers can configure one anew. */
  private finish(): void {
    const encoder = this.encoding?.encoder;
    this.encoding = undefined;
    encoder?.flush().then(
      () => encoder.close(),
      () => undefined, // it has failed
    );
  }

  private open(sampleRate: number): Encoding<Note> {
    const notes: Note[] = [];
    const encoder = new AudioEncoder({
      output: (chunk) => {
        const note = notes.shift();
        if (note === undefined) return; // of the silence with which the last frame is filled up
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        this.output(packet, note);
      },
      error: () => {
        if (encoder !== this.encoding?.encoder) return;
        this.close();
        // A browser that does not encode fewer samples gets them all.
        if (sampleRate === SAMPLE_RATE) this.failed();
        else this.band = undefined;
      },
    });
    // A constant rate tells nobody on the way how much is said.
    const isVoice = this.content === "voice";
    const [application, bitrate] = isVoice ? ["voip", BITRATE] : ["audio", MUSIC_BITRATE];
    const opus = { application, signal: this.content, frameDuration: MICROSECONDS_PER_FRAME, complexity: 10 };
    const config = { codec: "opus", sampleRate, numberOfChannels: 1, bitrate };
    encoder.configure({ ...config, bitrateMode: "constant", opus } as AudioEncoderConfig);
    return { encoder, sampleRate, notes };
  }
}

/**
 * Decodes the packets of one stream in the order in which they come; `output` gets the sound of each with what was said
 * of it. An empty packet is silence. A packet that breaks the decoder is lost, with those that wait in it.
 */
export class OpusReceiver<Note> {
  private readonly pending: { readonly note: Note; readonly silence: number | undefined }[] = [];
  private decoder: AudioDecoder | undefined;
  private decoded = 0;

  /** The decoder is opened at once: its first packets would be late, and taken for a stall of the network. */
  constructor(private readonly output: (pcm: Float32Array<ArrayBuffer>, note: Note) => void) {
    this.decoder = this.open();
  }

  /** Decode a packet of `samples`. */
  decode(packet: Uint8Array, samples: number, note: Note): void {
    // A codec that failed is closed before it says so.
    if (this.pending.length >= MAX_PENDING || this.decoder?.state === "closed") this.close();
    if (packet.length === 0) {
      this.pending.push({ note, silence: samples });
      this.giveSilence();
      return;
    }
    this.decoder ??= this.open();
    this.pending.push({ note, silence: undefined });
    const duration = (samples / SAMPLE_RATE) * 1e6;
    this.decoder.decode(
      new EncodedAudioChunk({ type: "key", timestamp: this.decoded, duration, data: packet.slice() }),
    );
    this.decoded += duration;
  }

  close(): void {
    this.pending.length = 0;
    if (this.decoder !== undefined && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
  }

  private open(): AudioDecoder {
    const decoder = new AudioDecoder({
      output: (data) => {
        const first = decoder === this.decoder ? this.pending.shift() : undefined;
        if (first !== undefined) this.output(samplesOf(data), first.note);
        data.close();
        this.giveSilence();
      },
      error: () => {
        if (decoder === this.decoder) this.close();
      },
    });
    decoder.configure({ codec: "opus", sampleRate: SAMPLE_RATE, numberOfChannels: 1 });
    return decoder;
  }

  /** Give the silence at the head of what waits: nothing comes out of the decoder for it. */
  private giveSilence(): void {
    for (let first = this.pending[0]; first?.silence !== undefined; first = this.pending[0]) {
      this.pending.shift();
      this.output(new Float32Array(first.silence), first.note);
    }
  }
}

/** The first channel: what is sent here is mono, and what others send as stereo is nearly so. */
function samplesOf(data: AudioData): Float32Array<ArrayBuffer> {
  const pcm = new Float32Array(data.numberOfFrames);
  data.copyTo(pcm, { planeIndex: 0, format: "f32-planar" });
  return pcm;
}
