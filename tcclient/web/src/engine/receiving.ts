/** The sound and the pictures of others: from packets to the play-out and to the page. For the worker. */

import type { AudioPacket, MediaPacket, VideoPacket } from "../core/media/packet.js";
import { trackKey } from "../core/membership/roster.js";
import { OpusReceiver } from "../media/audio-codec.js";
import { captureTime, type ClockMapping, LipSync } from "../media/lipsync.js";
import type { PlayoutCommand, PlayoutReport } from "../media/sound-messages.js";
import { PictureReceiver } from "../media/picture-receiver.js";
import type { PublicationInfo } from "../protocol/messages.js";
import { AUDIO_CLOCK, isAudio, isVideo, VIDEO_CLOCK } from "../protocol/packet.js";
import type { PictureSource } from "./commands.js";
import type { PicturePackets, PictureSecond } from "./adaptation.js";
import { monotonic } from "./connection.js";
import type { ParticipantId } from "./facts.js";
import { SOUND, type WantedStream } from "./subscription.js";

/** Pictures of one source that the page has and has not drawn yet; of more, the newest are closed. */
const MAX_UNDRAWN = 8;
/** Seconds without a picture after which a camera counts as stalled; a screen may stand still. */
const STALLED = 3;
/** Weight of the newest second in the bit rate of a layer: a keyframe comes in few of them. */
const NEWEST = 0.3;

export interface ReceivingOwner {
  /** Return how a stream's timestamps are those of its sender's clock, once a beacon has told. */
  clockOf(participant: ParticipantId, stream: number): ClockMapping | undefined;
  askKeyframe(stream: number, spatial: number): void;
  /** Tell whether a spatial layer is shown, or may be from its next keyframe on. */
  isWelcome(stream: number, spatial: number): boolean;
  /** A picture of this layer is shown. */
  shown(stream: number, spatial: number): void;
  /** `showAt` is in monotonic seconds. */
  picture(participant: ParticipantId, source: PictureSource, frame: VideoFrame, showAt: number): void;
  pictureEnded(participant: ParticipantId, source: PictureSource): void;
}

/** Counts of the packets of a track since they were asked for last, and the bit rates of its layers. */
class Counts {
  private received = 0;
  private lost: number | undefined;
  private lostBefore = 0;
  private readonly bits = new Map<number, number>();

  /** `bitrates`: bits per second of each spatial layer, as sent to us, which are kept here. */
  constructor(private readonly bitrates: Map<number, number>) {}

  count({ header, payload, lost }: VideoPacket): void {
    this.lostBefore = this.lost === undefined ? lost : this.lostBefore;
    this.lost = lost;
    this.received += 1;
    this.bits.set(header.spatial, (this.bits.get(header.spatial) ?? 0) + 8 * payload.length);
  }

  /** What came and what was lost since the last call of `take()`. */
  get packets(): PicturePackets {
    return { received: this.received, lost: Math.max(0, (this.lost ?? 0) - this.lostBefore) };
  }

  /** Return what came and what was lost in the second since the last call. */
  take(): PictureSecond {
    const { received, lost } = this.packets;
    let all = 0;
    for (const [spatial, bits] of this.bits) {
      const sent = (bits * (received + lost)) / received;
      const before = this.bitrates.get(spatial) ?? sent;
      this.bitrates.set(spatial, before + NEWEST * (sent - before));
      all += bits;
    }
    this.lostBefore = this.lost ?? 0;
    this.received = 0;
    this.bits.clear();
    return { received, lost, bits: all };
  }
}

interface SoundTrack {
  readonly info: PublicationInfo;
  /** Its number in the play-out. */
  readonly voice: number;
  readonly receiver: OpusReceiver<AudioPacket>;
}

interface PictureTrack {
  readonly info: PublicationInfo;
  readonly receiver: PictureReceiver;
  readonly counts: Counts;
  undrawn: number;
  /** Monotonic seconds of the last picture, or of the beginning. */
  pictureAt: number;
}

export class Reception {
  private readonly volumes = new Map<ParticipantId, number>();
  private readonly sounds = new Map<string, SoundTrack>();
  private readonly pictures = new Map<string, PictureTrack>();
  private readonly lips = new Map<ParticipantId, LipSync>();
  /** Bits per second by stream and spatial layer; they stay where pictures are not wanted for a while. */
  private readonly bitrates = new Map<number, Map<number, number>>();
  private playout: MessagePort | undefined;
  private voices = 0;

  constructor(private readonly owner: ReceivingOwner) {}

  /** Play on this port of the play-out from now on. */
  play(port: MessagePort): void {
    this.playout?.close();
    this.playout = port;
    port.onmessage = (event: MessageEvent<PlayoutReport>) => this.heard(event.data);
    for (const track of this.sounds.values()) this.tellVolume(track);
  }

  setVolume(participant: ParticipantId, volume: number): void {
    this.volumes.set(participant, volume);
    for (const track of this.sounds.values()) if (track.info.participant === participant) this.tellVolume(track);
  }

  /** How many pictures are received. */
  get pictureCount(): number {
    return this.pictures.size;
  }

  /** Ids of the streams of cameras from which no picture has come for a while. */
  get stalled(): ReadonlySet<number> {
    const since = monotonic() - STALLED;
    const tracks = [...this.pictures.values()].filter(
      ({ info, pictureAt }) => info.source === "camera" && pictureAt < since,
    );
    return new Set(tracks.map(({ info }) => info.stream));
  }

  /** A publication of another participant appeared. */
  published(info: PublicationInfo): void {
    const key = trackKey(info.participant, info.number);
    if (!SOUND.includes(info.source) || info.codec !== "opus" || this.sounds.has(key)) return;
    const voice = (this.voices += 1);
    const receiver = new OpusReceiver<AudioPacket>((pcm, packet) => this.sendSound(voice, pcm, packet));
    const track = { info, voice, receiver };
    this.sounds.set(key, track);
    this.tellVolume(track);
  }

  unpublished(info: PublicationInfo): void {
    const key = trackKey(info.participant, info.number);
    const sound = this.sounds.get(key);
    if (sound !== undefined) {
      sound.receiver.close();
      this.command({ type: "end", stream: sound.voice });
      this.sounds.delete(key);
    }
    this.endPicture(key);
    this.bitrates.delete(info.stream);
  }

  left(participant: ParticipantId): void {
    this.lips.delete(participant);
    this.volumes.delete(participant);
  }

  /** Receive these streams of pictures and no others. */
  want(streams: readonly WantedStream[]): void {
    const wanted = new Map(streams.map(({ info }) => [trackKey(info.participant, info.number), info]));
    for (const key of [...this.pictures.keys()]) if (!wanted.has(key)) this.endPicture(key);
    for (const [key, info] of wanted) if (!this.pictures.has(key)) this.beginPicture(key, info);
  }

  /** Return the bits per second of a layer that is, or was, received; undefined where none has come. */
  bitrate({ stream }: PublicationInfo, spatial: number): number | undefined {
    return this.bitrates.get(stream)?.get(spatial);
  }

  receive(packets: readonly MediaPacket[]): void {
    const now = monotonic();
    for (const packet of packets) {
      const key = trackKey(packet.participant, packet.publication);
      if (isAudio(packet.header)) this.receiveSound(key, packet as AudioPacket);
      else if (isVideo(packet.header)) this.receivePicture(key, packet as VideoPacket, now);
    }
  }

  /** The page has drawn or closed a picture. */
  drawn(participant: ParticipantId, source: PictureSource): void {
    for (const track of this.pictures.values()) {
      if (track.info.participant === participant && track.info.source === source && track.undrawn > 0) {
        track.undrawn -= 1;
      }
    }
  }

  /** Give up what waits too long; call some times in a second. */
  tend(): void {
    for (const track of this.pictures.values()) track.receiver.tend(monotonic());
  }

  /** What came and what was lost in the second that is not over yet. */
  get packets(): PicturePackets {
    const sum = { received: 0, lost: 0 };
    for (const { counts } of this.pictures.values()) {
      sum.received += counts.packets.received;
      sum.lost += counts.packets.lost;
    }
    return sum;
  }

  /** Count one second: return what came of pictures and what was lost of them. */
  second(): PictureSecond {
    const sum = { received: 0, lost: 0, bits: 0 };
    for (const { counts } of this.pictures.values()) {
      const { received, lost, bits } = counts.take();
      sum.received += received;
      sum.lost += lost;
      sum.bits += bits;
    }
    return sum;
  }

  /** The seat is gone, and all streams with it. */
  end(): void {
    for (const track of [...this.sounds.values()]) this.unpublished(track.info);
    for (const key of [...this.pictures.keys()]) this.endPicture(key);
    this.bitrates.clear();
    this.lips.clear();
    this.volumes.clear();
  }

  private receiveSound(key: string, packet: AudioPacket): void {
    const track = this.sounds.get(key);
    if (track === undefined) return;
    track.receiver.decode(packet.payload, (packet.header.durationMs * AUDIO_CLOCK) / 1000, packet);
  }

  private sendSound(voice: number, pcm: Float32Array<ArrayBuffer>, packet: AudioPacket): void {
    const { sequence, timestamp, comfort, endOfTalk } = packet.header;
    const frame = { sequence, timestamp, pcm, comfort, endOfTalk, heldMs: packet.heldMs };
    this.command({ type: "sound", stream: voice, frame }, [pcm.buffer]);
  }

  private receivePicture(key: string, packet: VideoPacket, now: number): void {
    const track = this.pictures.get(key);
    if (track === undefined) return;
    track.counts.count(packet);
    track.receiver.receive(packet.header.spatial, packet.header, packet.payload, now);
  }

  private beginPicture(key: string, info: PublicationInfo): void {
    const source = info.source === "screen" ? "screen" : "camera";
    const receiver = new PictureReceiver(info.codec === "h264" ? "h264" : "vp8", {
      isWelcome: (spatial) => this.owner.isWelcome(info.stream, spatial),
      shown: (spatial) => this.owner.shown(info.stream, spatial),
      output: (frame, timestamp) => {
        const track = this.pictures.get(key);
        if (track !== undefined) track.pictureAt = monotonic();
        if (track === undefined || track.undrawn >= MAX_UNDRAWN) {
          frame.close();
          return;
        }
        track.undrawn += 1;
        this.owner.picture(info.participant, source, frame, this.showAt(info, timestamp));
      },
      ask: (spatial) => this.owner.askKeyframe(info.stream, spatial),
    });
    const bitrates = this.bitrates.get(info.stream) ?? new Map<number, number>();
    this.bitrates.set(info.stream, bitrates);
    const counts = new Counts(bitrates);
    this.pictures.set(key, { info, receiver, counts, undrawn: 0, pictureAt: monotonic() });
  }

  private endPicture(key: string): void {
    const track = this.pictures.get(key);
    if (track === undefined) return;
    track.receiver.close();
    this.pictures.delete(key);
    this.owner.pictureEnded(track.info.participant, track.info.source === "screen" ? "screen" : "camera");
  }

  private showAt(info: PublicationInfo, timestamp: number): number {
    const now = monotonic();
    const clock = this.owner.clockOf(info.participant, info.stream);
    const lips = this.lips.get(info.participant);
    if (clock === undefined || lips === undefined) return now;
    return lips.showAt(captureTime(clock, timestamp, VIDEO_CLOCK), now);
  }

  /** The play-out tells what it plays now. */
  private heard(report: PlayoutReport): void {
    const now = monotonic();
    const voices = new Map([...this.sounds.values()].map((track) => [track.voice, track]));
    for (const { stream, timestamp } of report.streams) {
      const info = voices.get(stream)?.info;
      if (info === undefined || timestamp === undefined) continue;
      const clock = this.owner.clockOf(info.participant, info.stream);
      if (clock === undefined) continue;
      const lips = this.lips.get(info.participant) ?? new LipSync();
      this.lips.set(info.participant, lips);
      lips.heard(captureTime(clock, timestamp, AUDIO_CLOCK), now, now);
    }
  }

  private tellVolume(track: SoundTrack): void {
    const volume = this.volumes.get(track.info.participant) ?? 1;
    this.command({ type: "volume", stream: track.voice, volume });
  }

  private command(command: PlayoutCommand, transfer: Transferable[] = []): void {
    this.playout?.postMessage(command, transfer);
  }
}
