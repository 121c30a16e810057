/** The processors of the sound thread: "capture" cuts the microphone into frames, "playout" mixes the room. */

import { Gain, limit } from "./mixer.js";
import {
  CAPTURE_FRAME,
  type CapturedSound,
  type PlayoutCommand,
  type PlayoutReport,
  type PortMessage,
} from "./sound-messages.js";
import { Speaker } from "./speaker.js";

/** Streams that are played at most: more voices nobody tells apart, and a server forwards far fewer. */
export const MAX_STREAMS = 64;
/** Seconds between two reports. */
const REPORT_INTERVAL = 0.1;

class Capture extends AudioWorkletProcessor {
  private frame = new Float32Array(CAPTURE_FRAME);
  private filled = 0;
  private output: MessagePort | undefined;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<PortMessage>) => {
      this.output = event.data.port;
    };
  }

  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    if (channel === undefined) return true;
    for (let at = 0; at < channel.length;) {
      const piece = channel.subarray(at, at + CAPTURE_FRAME - this.filled);
      this.frame.set(piece, this.filled);
      this.filled += piece.length;
      at += piece.length;
      if (this.filled === CAPTURE_FRAME) this.send();
    }
    return true;
  }

  private send(): void {
    const sound: CapturedSound = { pcm: this.frame };
    this.output?.postMessage(sound, [sound.pcm.buffer]);
    this.frame = new Float32Array(CAPTURE_FRAME);
    this.filled = 0;
  }
}

class Playout extends AudioWorkletProcessor {
  private readonly voices = new Map<number, { readonly speaker: Speaker; readonly gain: Gain }>();
  private readonly volumes = new Map<number, number>();
  private worker: MessagePort | undefined;
  private block = new Float32Array(128);
  private reportedAt = 0;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<PortMessage>) => {
      this.worker = event.data.port;
      this.worker.onmessage = (command: MessageEvent<PlayoutCommand>) => this.take(command.data);
    };
  }

  process(_: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [mix, ...others] = outputs[0] ?? [];
    if (mix === undefined) return true;
    if (this.block.length !== mix.length) this.block = new Float32Array(mix.length);
    for (const { speaker, gain } of this.voices.values()) {
      speaker.render(this.block, currentTime);
      gain.add(mix, this.block);
    }
    limit(mix);
    for (const other of others) other.set(mix);
    if (currentTime >= this.reportedAt + REPORT_INTERVAL) this.report();
    return true;
  }

  private take(command: PlayoutCommand): void {
    if (command.type === "volume") {
      this.volumes.set(command.stream, command.volume);
      const voice = this.voices.get(command.stream);
      if (voice !== undefined) voice.gain.wanted = command.volume;
    } else if (command.type === "end") {
      this.voices.delete(command.stream);
      this.volumes.delete(command.stream);
    } else {
      this.voice(command.stream)?.speaker.put(command.frame, currentTime);
    }
  }

  private voice(stream: number) {
    let voice = this.voices.get(stream);
    if (voice === undefined && this.voices.size < MAX_STREAMS) {
      voice = { speaker: new Speaker(), gain: new Gain(this.volumes.get(stream) ?? 1) };
      this.voices.set(stream, voice);
    }
    return voice;
  }

  private report(): void {
    this.reportedAt = currentTime;
    const streams = [...this.voices].map(([stream, { speaker }]) => ({
      stream,
      timestamp: speaker.timestamp,
    }));
    const report: PlayoutReport = { streams };
    this.worker?.postMessage(report);
  }
}

registerProcessor("capture", Capture);
registerProcessor("playout", Playout);
