/** What we want to receive: sound of everybody, and the pictures that the page shows and the way down carries. */

import type { PublicationInfo, Source, StreamChoice } from "../protocol/messages.js";
import type { LimitedPicture, Participant, WantedPicture } from "./facts.js";

/** Codecs that every browser with WebCodecs decodes. */
const CODECS: ReadonlySet<string> = new Set(["vp8", "h264"]);
/** Sources of sound, which are always wanted. */
export const SOUND: readonly Source[] = ["microphone", "screen_audio"];
/** Lines of the largest layer where its publisher says nothing. */
const USUAL_HEIGHT = 360;
/** Bits per second of pictures until they are measured: the first whose lines are not fewer. */
const USUAL_BITRATES: readonly { readonly lines: number; readonly bitrate: number }[] = [
  { lines: 180, bitrate: 150_000 },
  { lines: 360, bitrate: 500_000 },
  { lines: Infinity, bitrate: 1_500_000 },
];

/** Tell whether pictures of a publication come and can be shown. */
export function isShown(info: PublicationInfo): boolean {
  return stopOf(info) === undefined;
}

/** Return why no pictures of a publication come, or can be shown. */
export function stopOf({ muted, held, codec }: PublicationInfo): Participant["cameraStopped"] {
  if (muted) return held ? "held" : "muted";
  return CODECS.has(codec) ? undefined : "unknown_codec";
}

/** A stream of pictures that is received, and the spatial layer of it that is wanted. */
export interface WantedStream {
  readonly info: PublicationInfo;
  readonly spatial: number;
  /** The layer that fills its tile. */
  readonly filling: number;
}

type Wish = Pick<WantedStream, "info" | "filling">;

/** What bounds the pictures that are received. */
export interface PictureLimits {
  /** Bits per second of all pictures. */
  readonly budget: number;
  /** Lines of each picture, by its shorter side, where its publisher sends several sizes. */
  readonly lines: number;
}

/** Return the measured bits per second of a layer, undefined where it has not come yet. */
export type Measured = (info: PublicationInfo, spatial: number) => number | undefined;

/** What is received of the pictures that are wanted. */
export interface Subscription {
  /** The most wanted first. */
  readonly streams: readonly WantedStream[];
  /** Bits per second of the budget with which there would be more; infinity where it has all. */
  readonly next: number;
}

/**
 * Return what is received of the pictures that are wanted, the most wanted first.
 *
 * First each picture gets its smallest layer, if the budget has room for it; then each gets what fills its tile, as long
 * as there is room.
 */
export function wantedStreams(
  pictures: readonly WantedPicture[],
  publications: Iterable<PublicationInfo>,
  { budget, lines }: PictureLimits,
  measured: Measured,
): Subscription {
  const wishes = wishesOf(pictures, publications, lines);
  const cost = (info: PublicationInfo, spatial: number): number =>
    measured(info, spatial) ?? usualBitrate(info, spatial);
  let room = budget;
  let missing = Infinity;
  /** Tell whether there is room for what costs so much, and take it. */
  const fits = (bitrate: number): boolean => {
    if (bitrate > room) {
      missing = Math.min(missing, bitrate - room);
      return false;
    }
    room -= Math.max(0, bitrate);
    return true;
  };
  const taken = wishes.filter(({ info }) => fits(cost(info, 0)));
  const streams = taken.map(({ info, filling }) => {
    let spatial = 0;
    while (spatial < filling && fits(cost(info, spatial + 1) - cost(info, spatial))) spatial += 1;
    return { info, spatial, filling };
  });
  return { streams, next: budget + missing };
}

/** Return the streams of the pictures that are wanted, each with the layer that fills its tile. */
function wishesOf(pictures: readonly WantedPicture[], publications: Iterable<PublicationInfo>, lines: number): Wish[] {
  const known = new Map<string, PublicationInfo>();
  for (const info of publications) {
    if (isShown(info)) known.set(`${info.participant} ${info.source}`, info);
  }
  const wishes: Wish[] = [];
  for (const { participant, source, height } of pictures) {
    const info = known.get(`${participant} ${source}`);
    if (info === undefined || wishes.some((wish) => wish.info === info)) continue;
    wishes.push({ info, filling: layerFor(info, height, lines) });
  }
  return wishes;
}

/** Return the lowest spatial layer that fills `height` lines, or the highest one with at most `lines`. */
function layerFor(info: PublicationInfo, height: number, lines: number): number {
  let layer = 0;
  while (layer < info.layers - 1 && linesOf(info, layer) < height && linesOf(info, layer + 1) <= lines) layer += 1;
  return layer;
}

/** Return the lines of a spatial layer. Each has half the lines of the one above. */
function linesOf(info: PublicationInfo, spatial: number): number {
  return (Math.min(info.width, info.height) || USUAL_HEIGHT) / 2 ** (info.layers - 1 - spatial);
}

function usualBitrate(info: PublicationInfo, spatial: number): number {
  return USUAL_BITRATES.find(({ lines }) => linesOf(info, spatial) <= lines)?.bitrate ?? Infinity;
}

/**
 * Return the pictures of which less comes than is wanted: those beyond what the way down carries, those of `stalled`
 * streams, and those of which only a smaller layer is sent. `streams` are received.
 */
export function limitedPictures(
  pictures: readonly WantedPicture[],
  streams: readonly WantedStream[],
  stalled: ReadonlySet<number>,
  isLowered: (stream: number) => boolean,
): LimitedPicture[] {
  return pictures.flatMap<LimitedPicture>(({ participant, source }) => {
    const found = streams.find(({ info }) => info.participant === participant && info.source === source);
    if (found === undefined) return [{ participant, source, cause: "slow_connection" }];
    const { stream } = found.info;
    if (stalled.has(stream)) return [{ participant, source, cause: "no_picture" }];
    if (found.spatial < found.filling) return [{ participant, source, cause: "smaller_received" }];
    return isLowered(stream) ? [{ participant, source, cause: "smaller_sent" }] : [];
  });
}

/** Return the choices of `subscribe` for these streams; `range` tells the lowest and the highest layer of one. */
export function choicesOf(
  streams: readonly WantedStream[],
  range: (stream: number) => readonly [number, number],
): StreamChoice[] {
  return streams.map(({ info: { stream } }) => {
    const [minSpatial, maxSpatial] = range(stream);
    return { stream, wanted: true, redundant: false, maxSpatial, maxTemporal: 7, minSpatial, byDefault: false };
  });
}
