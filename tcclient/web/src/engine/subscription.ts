/** What we want to receive: sound of everybody, and the pictures that the page shows and the way down carries. */

import type { PublicationInfo, Source, StreamChoice } from "../protocol/messages.js";
import type { PausedPicture, WantedPicture } from "./facts.js";

/** Codecs that every browser with WebCodecs decodes. */
const CODECS: ReadonlySet<string> = new Set(["vp8", "h264"]);
/** Sources of sound, which are always wanted. */
export const SOUND: readonly Source[] = ["microphone", "screen_audio"];
/** Lines of the largest layer where its publisher says nothing. */
const USUAL_HEIGHT = 360;

/** Tell whether pictures of a publication come and can be shown. */
export function isShown({ muted, codec }: PublicationInfo): boolean {
  return !muted && CODECS.has(codec);
}

/** A stream of pictures that is received, and the spatial layer of it that is decoded. */
export interface WantedStream {
  readonly info: PublicationInfo;
  readonly spatial: number;
}

/**
 * Return the streams of the pictures that are wanted, the most wanted first: at most `allowed`, and none with the data
 * saver. `mostLines` bounds the layer that is received.
 */
export function wantedStreams(
  pictures: readonly WantedPicture[],
  publications: Iterable<PublicationInfo>,
  allowed: number,
  mostLines: number,
): WantedStream[] {
  const known = new Map<string, PublicationInfo>();
  for (const info of publications) {
    if (isShown(info)) known.set(`${info.participant} ${info.source}`, info);
  }
  const streams: WantedStream[] = [];
  for (const { participant, source, height } of pictures) {
    const info = known.get(`${participant} ${source}`);
    if (info === undefined || streams.length >= allowed || streams.some((stream) => stream.info === info)) continue;
    streams.push({ info, spatial: layerFor(info, Math.min(height, mostLines)) });
  }
  return streams;
}

/** Return the lowest spatial layer that fills `lines`. Each has half the lines of the one above. */
function layerFor(info: PublicationInfo, lines: number): number {
  const most = Math.min(info.width, info.height) || USUAL_HEIGHT;
  for (let layer = 0; layer < info.layers - 1; layer++) {
    if (most / 2 ** (info.layers - 1 - layer) >= lines) return layer;
  }
  return info.layers - 1;
}

/**
 * Return the pictures that are wanted and do not come: those beyond what the way down carries, and those of `stalled`
 * streams. `streams` are received.
 */
export function pausedPictures(
  pictures: readonly WantedPicture[],
  streams: readonly WantedStream[],
  stalled: ReadonlySet<number>,
): PausedPicture[] {
  return pictures.flatMap<PausedPicture>(({ participant, source }) => {
    const found = streams.find(({ info }) => info.participant === participant && info.source === source);
    if (found === undefined) return [{ participant, source, cause: "slow_connection" }];
    return stalled.has(found.info.stream) ? [{ participant, source, cause: "no_picture" }] : [];
  });
}

/** Return the choices of `subscribe` for these streams. */
export function choicesOf(streams: readonly WantedStream[]): StreamChoice[] {
  return streams.map(({ info, spatial }) => ({
    stream: info.stream,
    wanted: true,
    redundant: false,
    maxSpatial: spatial,
    maxTemporal: 7,
    minSpatial: spatial,
    byDefault: false,
  }));
}
