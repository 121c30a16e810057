/** Our microphone, camera and screen: published, encoded and sent. For the worker. */

import type { Published } from "../core/events.js";
import type { NewPublication } from "../core/media/publications.js";
import type { Seat } from "../core/seat.js";
import { OpusSender, SampleClock, SILENT_FRAME } from "../media/audio-codec.js";
import type { CapturedSound } from "../media/sound-messages.js";
import { audioLevel, MutedSpeech, SilentMicrophone, VoiceDetector } from "../media/speech.js";
import { type EncoderAbilities, encoderAbilities, fit } from "../media/layer-encoder.js";
import { type EncodedPicture, type LayerQualities, PictureSender } from "../media/picture-sender.js";
import {
  cameraLayers,
  LEAST_BITRATE,
  layerQualities,
  MOST_BITRATE,
  START_BITRATE,
  UplinkAdaptation,
} from "./adaptation.js";
import type { OwnMedia, PictureSize, PictureSource, Publishing, SoundSource } from "./commands.js";
import { monotonic } from "./connection.js";
import type { MicrophoneNotice } from "./facts.js";

/** Seconds of a captured frame. */
const FRAME_SECONDS = 0.02;
/** Of what the room allows, that is used for pictures: headers and keyframes need the rest. */
const CAPS_SHARE = 0.85;
/** A screen: sharp letters rather than smooth movement. */
const SCREEN = { height: 1080, framesPerSecond: 8 } as const;
/** Of the rate for pictures, what the screen gets while both are sent: it is what people look at. */
const SCREEN_SHARE = 0.7;

/** Of a camera and a screen whose size the browser does not tell: pictures are never made larger. */
const USUAL_SIZE: PictureSize = { width: 1280, height: 720 };
/** The highest temporal layer that there can be: all are wanted. */
const ALL_TEMPORAL = 7;

type Media = OwnMedia | SoundSource;

interface Publication {
  readonly number: number;
  /** It has a stream, and the others have the key. */
  ready: boolean;
  /** Another participant holds it muted. */
  held: boolean;
}

/** What is sent of a camera or a screen in its publication. */
interface Pictures {
  readonly sender: PictureSender;
  /** Lines of the spatial layers, the smallest first. */
  readonly heights: readonly number[];
  /** The highest temporal layer that anybody wants of each spatial one; below 0: nobody wants any. */
  wanted: readonly number[];
}

/** What the owner does with the session, and is told. */
export interface PublishingOwner {
  /** Send what the session has. */
  pump(): void;
  publishing(media: OwnMedia, state: Publishing): void;
  microphoneNotice(notice: MicrophoneNotice | undefined): void;
}

interface SoundNote {
  readonly level: number;
  readonly voice: boolean;
  readonly timestamp: number;
  readonly capturedAt: number;
}

export class PublishingDesk {
  private seat: Seat | undefined;
  private readonly wanted = new Map<Media, boolean>();
  private readonly publications = new Map<Media, Publication>();
  private readonly adaptation = new UplinkAdaptation();
  private readonly voice = new VoiceDetector();
  private readonly mutedSpeech = new MutedSpeech();
  private readonly silent = new SilentMicrophone();
  private notice: MicrophoneNotice | undefined;
  private readonly clocks = { microphone: new SampleClock(), screen_audio: new SampleClock() };
  /** Bits per second for all pictures; undefined while the way up carries none. */
  private rate: number | undefined = START_BITRATE;
  private cameraHeight = 360;
  private cameraRate = 25;
  private readonly sounds: Readonly<Record<SoundSource, OpusSender<SoundNote>>>;
  /** Of the publications of pictures. */
  private readonly pictures = new Map<PictureSource, Pictures>();
  private readonly sizes = new Map<Media, PictureSize>();
  private abilities: EncoderAbilities = { codec: "vp8", isTemporal: false };

  constructor(private readonly owner: PublishingOwner) {
    const sounds = (source: SoundSource, content: "voice" | "music"): OpusSender<SoundNote> =>
      new OpusSender(
        content,
        (packet, note) => this.sendSound(source, packet, note),
        () => this.tell(source, "refused"),
      );
    this.sounds = { microphone: sounds("microphone", "voice"), screen_audio: sounds("screen_audio", "music") };
    void encoderAbilities().then((abilities) => (this.abilities = abilities));
  }

  /** Whether a camera or a screen of ours is sent. */
  get sendsPictures(): boolean {
    return this.isSent("camera") || this.isSent("screen");
  }

  /** Publish, mute or unmute. Before the entry, it is done after it. `size` is that of the pictures. */
  set(media: Media, on: boolean, size?: PictureSize): void {
    if (size !== undefined) this.sizes.set(media, size);
    this.wanted.set(media, on);
    // Nothing may be captured any more that would end it.
    if (media === "microphone") this.tellNotice(undefined);
    if (this.seat !== undefined) this.apply(this.seat, media);
    else this.tell(media, on ? "starting" : "off");
  }

  /** Another participant holds a publication muted, or does so no more; it stays muted until the person unmutes it. */
  holdChanged(number: number, held: boolean): OwnMedia | undefined {
    const media = this.mediaOf(number);
    const publication = media && this.publications.get(media);
    if (media === undefined || publication === undefined) return undefined;
    publication.held = held;
    if (held) this.set(media, false);
    return media === "screen_audio" ? undefined : media;
  }

  /** A seat was taken, the first one or again. */
  entered(seat: Seat): void {
    this.seat = seat;
    this.publications.clear();
    for (const media of this.wanted.keys()) this.apply(seat, media);
  }

  /** The seat is gone; what was published is published again in the next one. */
  left(): void {
    this.seat = undefined;
    this.publications.clear();
    this.tellNotice(undefined);
    for (const sender of Object.values(this.sounds)) sender.close();
    for (const source of [...this.pictures.keys()]) this.endPictures(source);
  }

  published(event: Published): void {
    const media = this.mediaOf(event.number);
    if (media === "camera" || media === "screen") this.adaptation.allow(event.caps.bitrate * CAPS_SHARE);
  }

  ready(number: number): void {
    const media = this.mediaOf(number);
    const publication = media && this.publications.get(media);
    if (media === undefined || publication === undefined) return;
    publication.ready = true;
    this.picturesOf(number)?.sender.wantKeyframes();
    this.tellState(media);
  }

  /** A publication was refused or ended by the server. */
  failed(number: number): void {
    const media = this.mediaOf(number);
    if (media === undefined) return;
    this.publications.delete(media);
    if (media === "camera" || media === "screen") this.endPictures(media);
    this.wanted.delete(media);
    this.tell(media, "refused");
  }

  keyframeRequested(number: number, spatial: number): void {
    this.picturesOf(number)?.sender.wantKeyframe(spatial);
  }

  /** Somebody wants other layers than before. What nobody wants is not encoded. */
  layersWanted(number: number, layers: readonly number[]): void {
    const pictures = this.picturesOf(number);
    if (pictures === undefined) return;
    pictures.wanted = layers;
    layers.forEach((temporal, spatial) => {
      if (temporal < 0) pictures.sender.stop(spatial);
    });
  }

  /** Pictures of ours were dropped on this machine: those that follow them need a keyframe. */
  picturesDropped(): void {
    for (const { sender } of this.pictures.values()) sender.wantKeyframes();
  }

  /** The sound that follows is that of another device. */
  soundBegins(source: SoundSource): void {
    if (source === "microphone") this.silent.reset();
  }

  /** Take a frame of captured sound. */
  sound(source: SoundSource, { pcm }: CapturedSound): void {
    const now = monotonic();
    const note = {
      level: audioLevel(pcm),
      voice: source === "microphone" && this.voice.detect(pcm, FRAME_SECONDS),
      timestamp: this.clocks[source].next(now, pcm.length),
      capturedAt: now - FRAME_SECONDS,
    };
    if (source === "microphone") this.noticeMicrophone(note);
    if (this.isSent(source)) this.sounds[source].encode(pcm, note);
  }

  private noticeMicrophone({ voice, level }: SoundNote): void {
    const isLive = this.isSent("microphone");
    // Who is held muted has been told so, and can do nothing about it.
    const isTold = !isLive && this.publications.get("microphone")?.held === false;
    if (!isTold) this.mutedSpeech.reset();
    if (!isLive) this.silent.reset();
    const speaks = isTold && this.mutedSpeech.heard(voice, FRAME_SECONDS);
    const isSilent = isLive && this.silent.heard(level, FRAME_SECONDS);
    this.tellNotice(speaks ? "speaking_muted" : isSilent ? "silent" : undefined);
  }

  private tellNotice(notice: MicrophoneNotice | undefined): void {
    if (notice === this.notice) return;
    this.notice = notice;
    this.owner.microphoneNotice(notice);
  }

  /** Take a picture of the camera or the screen; it is closed here. `isFree` tells whether the way up takes it at once. */
  picture(source: PictureSource, frame: VideoFrame, isFree: boolean): void {
    const pictures = this.pictures.get(source);
    // What waits in front of the socket would only be dropped there.
    if (this.rate === undefined || pictures === undefined || !this.isSent(source) || !isFree) frame.close();
    else pictures.sender.encode(frame, this.qualities(source, pictures, this.rate), monotonic());
  }

  /** Look at what the way up carries; call some times in a second. */
  tend(congested: boolean, lossUp: number): void {
    const before = this.rate;
    const quality = this.adaptation.update(congested && this.sendsPictures, lossUp, this.used, monotonic());
    this.rate = quality?.bitrate;
    if (quality !== undefined) {
      this.cameraHeight = quality.height;
      this.cameraRate = quality.framesPerSecond;
    }
    if ((before === undefined) !== (this.rate === undefined)) {
      for (const media of ["camera", "screen"] as const) if (this.publications.has(media)) this.tellState(media);
    }
    const screen = this.pictures.get("screen");
    if (this.rate === undefined || screen === undefined || !this.isSent("screen")) return;
    screen.sender.tend(this.qualities("screen", screen, this.rate), monotonic());
  }

  /** Bits per second of the pictures that are sent. */
  private get used(): number {
    if (this.rate === undefined) return 0;
    let used = 0;
    for (const [source, pictures] of this.pictures) {
      if (!this.isSent(source)) continue;
      for (const quality of this.qualities(source, pictures, this.rate)) used += quality?.bitrate ?? 0;
    }
    return used;
  }

  private apply(seat: Seat, media: Media): void {
    const on = this.wanted.get(media) === true;
    const publication = this.publications.get(media);
    if (publication === undefined) {
      if (on) this.publish(seat, media);
      else this.tell(media, "off");
    } else if (media === "screen" || media === "screen_audio") {
      if (on) return;
      seat.publishing.unpublish(publication.number);
      this.publications.delete(media);
      if (media === "screen") this.endPictures("screen");
      else this.sounds.screen_audio.close();
    } else if (on && publication.held) {
      this.wanted.set(media, false);
      this.tell(media, "refused");
      return;
    } else {
      if (!on && media === "microphone") this.endTalk(seat, publication);
      seat.publishing.setMuted(publication.number, !on);
      if (media === "camera") this.pictures.get("camera")?.sender.close();
    }
    this.tellState(media);
    this.owner.pump();
  }

  private publish(seat: Seat, media: Media): void {
    const what =
      media === "microphone" || media === "screen_audio"
        ? ({ kind: "audio", source: media, codec: "opus" } as const)
        : this.beginPictures(media);
    const number = seat.publishing.publish(what, monotonic());
    this.publications.set(media, { number, ready: false, held: false });
  }

  /** Get ready to send pictures; return what is announced of them. */
  private beginPictures(source: PictureSource): NewPublication {
    const { width, height } = this.sizes.get(source) ?? USUAL_SIZE;
    const isCamera = source === "camera";
    // Hardware makes the letters of a screen less sharp, and there is one layer of it.
    const codec = isCamera ? this.abilities.codec : "vp8";
    const heights = isCamera ? cameraLayers(Math.min(width, height)) : [SCREEN.height];
    const encoding = { codec, content: isCamera ? "motion" : "text", isTemporal: this.abilities.isTemporal } as const;
    const sender = new PictureSender(
      heights.length,
      encoding,
      (picture) => this.sendPicture(source, picture),
      () => this.encodingFailed(source, codec),
    );
    this.endPictures(source);
    this.pictures.set(source, { sender, heights, wanted: heights.map(() => ALL_TEMPORAL) });
    const size = this.sizes.has(source) ? fit(width, height, heights.at(-1) ?? SCREEN.height) : {};
    return { kind: "video", source, codec, layers: heights.length, ...size };
  }

  private endPictures(source: PictureSource): void {
    this.pictures.get(source)?.sender.close();
    this.pictures.delete(source);
  }

  /** The browser cannot encode. Hardware may fail where VP8 does not: publish again with that. */
  private encodingFailed(source: PictureSource, codec: "vp8" | "h264"): void {
    const publication = this.publications.get(source);
    if (codec === "vp8" || this.seat === undefined || publication === undefined) {
      this.owner.publishing(source, "refused");
      return;
    }
    this.abilities = { ...this.abilities, codec: "vp8" };
    this.seat.publishing.unpublish(publication.number);
    this.publications.delete(source);
    this.apply(this.seat, source);
  }

  private endTalk(seat: Seat, publication: Publication): void {
    const timestamp = this.clocks.microphone.count;
    seat.publications.sendAudio(
      publication.number,
      { payload: SILENT_FRAME, timestamp, level: 127, endOfTalk: true },
      monotonic(),
    );
    this.sounds.microphone.close();
  }

  private tellState(media: Media): void {
    const publication = this.publications.get(media);
    const on = this.wanted.get(media) === true;
    if (publication === undefined) this.tell(media, "off");
    else if (!on) this.tell(media, "muted");
    else if (!publication.ready) this.tell(media, "starting");
    else if (media !== "microphone" && this.rate === undefined) this.tell(media, "paused");
    else this.tell(media, "on");
  }

  /** The sound of a screen has no control of its own. */
  private tell(media: Media, state: Publishing): void {
    if (media !== "screen_audio") this.owner.publishing(media, state);
  }

  private sendSound(source: SoundSource, payload: Uint8Array, note: SoundNote): void {
    const publication = this.publications.get(source);
    if (this.seat === undefined || publication === undefined) return;
    this.seat.publications.sendAudio(publication.number, { payload, ...note }, monotonic());
    this.owner.pump();
  }

  /** Return whether it was sent. */
  private sendPicture(source: PictureSource, picture: EncodedPicture): boolean {
    const publication = this.publications.get(source);
    const pictures = this.pictures.get(source);
    if (this.seat === undefined || publication === undefined || pictures === undefined) return false;
    const { spatial, temporal } = picture;
    // Nothing refers to a picture of an upper temporal layer.
    if (temporal > (pictures.wanted[spatial] ?? ALL_TEMPORAL)) return false;
    const sent = this.seat.publications.sendVideo(
      publication.number,
      { ...picture, discardable: temporal > 0 },
      monotonic(),
    );
    // Pictures that were not sent take no frame id, and those that follow refer to them.
    if (sent === 0) pictures.sender.wantKeyframe(spatial);
    this.owner.pump();
    return sent > 0;
  }

  /** Return how the layers of a source are sent with `rate` bits per second for all pictures. */
  private qualities(source: PictureSource, { heights, wanted }: Pictures, rate: number): LayerQualities {
    const both = this.isSent("camera") && this.isSent("screen");
    const share = !both ? 1 : source === "screen" ? SCREEN_SHARE : 1 - SCREEN_SHARE;
    const bitrate = Math.round(Math.min(Math.max(rate * share, LEAST_BITRATE), MOST_BITRATE));
    const isWanted = wanted.map((temporal) => temporal >= 0);
    if (source === "screen") return isWanted.map((on) => (on ? { ...SCREEN, bitrate } : undefined));
    const quality = { height: both ? 180 : this.cameraHeight, framesPerSecond: this.cameraRate, bitrate };
    return layerQualities(quality, heights, isWanted);
  }

  private isSent(media: Media): boolean {
    return this.wanted.get(media) === true && this.publications.get(media)?.ready === true;
  }

  private picturesOf(number: number): Pictures | undefined {
    const media = this.mediaOf(number);
    return media === "camera" || media === "screen" ? this.pictures.get(media) : undefined;
  }

  private mediaOf(number: number): Media | undefined {
    return [...this.publications].find(([, publication]) => publication.number === number)?.[0];
  }
}
