/** The sound of the page: one audio context, with the processors of capture and play-out. For the page's thread. */

import workletUrl from "./worklet.js?url";
import type { PortMessage } from "./sound-messages.js";

const SAMPLE_RATE = 48_000;

/** What a person does before browsers allow sound. */
const GESTURES = ["pointerdown", "keydown"] as const;

const noMatter = (): void => undefined;

export class Sound {
  private readonly context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: "interactive" });
  private readonly loaded = this.context.audioWorklet.addModule(workletUrl);
  private readonly captures = new Map<
    string,
    { readonly source: MediaStreamAudioSourceNode; readonly capture: AudioWorkletNode }
  >();

  private started = false;

  /** `paused` is told whether the browser refuses or has stopped the sound, as at a telephone call; a gesture starts it. */
  constructor(private readonly paused: (isPaused: boolean) => void) {
    this.context.onstatechange = () => {
      this.tell();
      this.goOn();
    };
    for (const gesture of GESTURES) addEventListener(gesture, () => this.goOn());
  }

  /** Begin to play what the worker sends; return the port for it. */
  async playout(): Promise<MessagePort> {
    await this.loaded;
    const node = new AudioWorkletNode(this.context, "playout", { numberOfInputs: 0, outputChannelCount: [1] });
    node.connect(this.context.destination);
    return portTo(node);
  }

  /** Capture the sound of a stream in place of the one before of that kind; return the port for it. */
  async capture(kind: "microphone" | "screen", stream: MediaStream): Promise<MessagePort> {
    await this.loaded;
    this.stopCapture(kind);
    const source = this.context.createMediaStreamSource(stream);
    const capture = new AudioWorkletNode(this.context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    source.connect(capture);
    this.captures.set(kind, { source, capture });
    return portTo(capture);
  }

  stopCapture(kind: "microphone" | "screen"): void {
    const captured = this.captures.get(kind);
    captured?.source.disconnect();
    captured?.capture.port.close();
    this.captures.delete(kind);
  }

  /** Start, as browsers allow it when a click or a key leads here. */
  async resume(): Promise<void> {
    this.started = true;
    // Where the browser refuses, nothing changes that would tell of it.
    this.tell();
    await this.context.resume();
  }

  /** Play on another loudspeaker; an empty id is the default. Rejects where the browser cannot choose. */
  async chooseSpeaker(id: string): Promise<void> {
    const context = this.context as AudioContext & { setSinkId?: (id: string) => Promise<void> };
    if (context.setSinkId !== undefined) await context.setSinkId(id);
  }

  private goOn(): void {
    // It may be refused until a gesture comes.
    if (this.started) void this.context.resume().then(() => this.tell(), noMatter);
  }

  private tell(): void {
    this.paused(this.started && this.context.state !== "running");
  }
}

/** Give a processor one end of a channel, and return the other. */
function portTo(node: AudioWorkletNode): MessagePort {
  const { port1, port2 } = new MessageChannel();
  const message: PortMessage = { port: port1 };
  node.port.postMessage(message, [port1]);
  return port2;
}
