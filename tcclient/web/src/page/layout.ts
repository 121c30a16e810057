/** Which tiles are shown, how large, and which pictures are wanted for them. Pure. */

import type { LimitCause, MeetingState, Participant, ParticipantId, WantedPicture } from "../engine/meeting.js";
import type { ViewMode } from "./preferences.js";

/** Pixels of CSS between two tiles. */
export const GAP = 8;
/** Width to height of a tile: that of most cameras. */
export const ASPECT = 16 / 9;
/** The least width of a tile, in pixels of CSS: two fit beside each other on a phone of 360, and names can be read. */
export const MIN_TILE_WIDTH = 150;
/** The most tiles at a time: more pictures than a decoder without a GPU can take. */
export const MAX_TILES = 25;
/** Part of the stage that the small tiles take beside or below a large one. */
const STRIP_PART = 0.22;
/** Small tiles that fit below a large one, even on a phone: others besides ourselves. */
const MIN_STRIP_TILES = 3;
/** The widest small tile of a strip, in pixels of CSS. */
const MAX_STRIP_TILE = 240;

export interface Tile {
  /** Identifies the tile as long as its participant and source are there. */
  readonly key: string;
  readonly participant: Participant;
  readonly source: "camera" | "screen";
  readonly own: boolean;
  /** Whether there is a picture; else the initials are shown. */
  readonly picture: boolean;
  /** Why less of it comes, or nothing. */
  readonly limit: TileLimit | undefined;
}

/** Why less of a picture comes than a tile could show. */
export type TileLimit =
  LimitCause | "lost_connection" | "weak_sender" | "data_saver" | NonNullable<Participant["cameraStopped"]>;

/** Tell whether nothing comes, and the initials are shown. */
export const isStopped = (limit: TileLimit | undefined): boolean =>
  limit !== undefined && limit !== "smaller_received" && limit !== "smaller_sent";

/** Steps of the connection bars that may be why no picture comes. */
const WEAK_BARS = 1;

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Arrangement {
  /** The tile that is shown large. */
  readonly large: Tile | undefined;
  readonly largeSize: Size;
  readonly small: readonly Tile[];
  readonly smallSize: Size;
  /** Where the small tiles are. */
  readonly strip: "none" | "beside" | "below";
  /** How many tiles do not fit. */
  readonly hidden: number;
}

/** Return the key of a tile. */
export const tileKey = (participant: ParticipantId, source: "camera" | "screen"): string => `${participant}:${source}`;

/** Whose camera or screen is kept large. */
export interface Pin {
  readonly participant: Participant;
  readonly source: "camera" | "screen";
}

/**
 * Return the key of the pinned tile; undefined while its participant is not here. Who comes back has another id, but the
 * same account and name.
 */
export function pinnedKey(
  pin: Pin | undefined,
  { me, participants }: Pick<MeetingState, "me" | "participants">,
): string | undefined {
  if (pin === undefined) return undefined;
  const { id, account, name } = pin.participant;
  const same = [...participants, ...(me === undefined ? [] : [me])].filter(
    (one) => one.account === account && one.name === name,
  );
  const found = same.find((one) => one.id === id) ?? same[0];
  return found && tileKey(found.id, pin.source);
}

/**
 * Return all tiles of a meeting: shared screens, the others in the order of their entry, ourselves. With `soundOnly`
 * the pictures of others pause.
 */
export function tilesOf(state: MeetingState, soundOnly: boolean): readonly Tile[] {
  const { phase, me, participants, limited, camera } = state;
  const limitOf = (participant: Participant, source: "camera" | "screen"): TileLimit | undefined => {
    const { id, cameraStopped, quality } = participant;
    if (source === "camera" && cameraStopped !== undefined) return cameraStopped;
    if (!participant[source]) return undefined;
    if (soundOnly) return "data_saver";
    if (phase.name === "returning") return "lost_connection";
    const cause = limited.find((one) => one.participant === id && one.source === source)?.cause;
    return cause === "no_picture" && quality <= WEAK_BARS ? "weak_sender" : cause;
  };
  const tile = (participant: Participant, source: "camera" | "screen"): Tile => ({
    key: tileKey(participant.id, source),
    participant,
    source,
    own: false,
    picture: participant[source],
    limit: limitOf(participant, source),
  });
  const screens = participants.filter(({ screen }) => screen && !soundOnly).map((one) => tile(one, "screen"));
  const cameras = participants.map((one) => tile(one, "camera"));
  const own: Tile[] = [];
  if (me !== undefined) {
    const limit = camera.state === "paused" ? "slow_connection" : undefined;
    own.push({ ...tile(me, "camera"), own: true, picture: camera.stream !== undefined, limit });
  }
  return [...screens, ...cameras, ...own];
}

/** Return the size of `count` tiles that fill `stage` as well as tiles of one size can. */
export function gridTile(count: number, stage: Size): Size {
  let width = 0;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const down = across(rows, stage.height);
    width = Math.max(width, Math.min(across(columns, stage.width), down * ASPECT));
  }
  return tileOfWidth(width);
}

/** Return how many tiles of the least width fit on `stage`; at least one. */
export function capacity(stage: Size): number {
  const least = tileOfWidth(MIN_TILE_WIDTH);
  const fitting = fit(stage.width, least.width) * fit(stage.height, least.height);
  return Math.min(MAX_TILES, Math.max(1, fitting));
}

/**
 * Arrange tiles on a stage. A pinned tile is large, else a shared screen, else in speaker view the latest loud one. Of
 * the others those are shown that fit; they keep their order, so that nothing jumps when somebody speaks.
 */
export function arrange(
  tiles: readonly Tile[],
  stage: Size,
  mode: ViewMode,
  pinned: string | undefined,
  recentSpeakers: readonly ParticipantId[],
): Arrangement {
  const large = tiles.length > 1 ? pickLarge(tiles, mode, pinned, recentSpeakers) : undefined;
  if (large === undefined) {
    const small = pick(tiles, capacity(stage), recentSpeakers);
    return {
      large,
      largeSize: { width: 0, height: 0 },
      small,
      smallSize: gridTile(small.length, stage),
      strip: "none",
      hidden: tiles.length - small.length,
    };
  }
  const beside = stage.width >= stage.height;
  const others = tiles.filter((tile) => tile !== large);
  const below = across(Math.min(others.length, MIN_STRIP_TILES), stage.width);
  const width = beside ? stage.width * STRIP_PART : Math.min(stage.height * STRIP_PART * ASPECT, below);
  const smallSize = tileOfWidth(Math.min(MAX_STRIP_TILE, Math.max(MIN_TILE_WIDTH * 0.75, width)));
  const room = beside ? fit(stage.height, smallSize.height) : fit(stage.width, smallSize.width);
  const small = pick(others, Math.max(1, room), recentSpeakers);
  const largeSize = beside
    ? { width: stage.width - smallSize.width - GAP, height: stage.height }
    : { width: stage.width, height: stage.height - smallSize.height - GAP };
  const strip = beside ? "beside" : "below";
  return { large, largeSize, small, smallSize, strip, hidden: others.length - small.length };
}

/** Tell whether a picture of somebody else can be had for a tile. */
const isReceivable = ({ own, picture, limit }: Tile): boolean => !own && picture && limit !== "data_saver";

/** Return the tile with the most important picture of others. */
export function floatingTile({ large, small }: Arrangement): Tile | undefined {
  return [...(large === undefined ? [] : [large]), ...small].find(isReceivable);
}

/**
 * Return the pictures that an arrangement needs, with the height in device pixels. Of a page that is not seen it is only
 * that of the tile `floating`, which is above other windows.
 */
export function wantedPictures(
  { large, largeSize, small, smallSize }: Arrangement,
  ratio: number,
  isSeen = true,
  floating?: string,
): WantedPicture[] {
  const wanted = (tile: Tile, { height }: Size): WantedPicture[] =>
    isReceivable(tile) && (isSeen || tile.key === floating)
      ? [{ participant: tile.participant.id, source: tile.source, height: Math.round(height * ratio) }]
      : [];
  return [
    ...(large === undefined ? [] : wanted(large, largeSize)),
    ...small.flatMap((tile) => wanted(tile, smallSize)),
  ];
}

const tileOfWidth = (width: number): Size => ({ width: Math.floor(width), height: Math.floor(width / ASPECT) });

/** Return the length of each of `count` parts of a length, with gaps between them. */
const across = (count: number, whole: number): number => (whole - GAP * (count - 1)) / count;

const fit = (whole: number, part: number): number => Math.floor((whole + GAP) / (part + GAP));

function pickLarge(
  tiles: readonly Tile[],
  mode: ViewMode,
  pinned: string | undefined,
  recentSpeakers: readonly ParticipantId[],
): Tile | undefined {
  const found = tiles.find(({ key }) => key === pinned) ?? tiles.find(({ source }) => source === "screen");
  if (found !== undefined || mode === "grid") return found;
  const others = tiles.filter(({ own }) => !own);
  for (const speaker of recentSpeakers) {
    const tile = others.find(({ participant }) => participant.id === speaker);
    if (tile !== undefined) return tile;
  }
  return others.find(({ picture }) => picture) ?? others[0];
}

/** Return the `count` tiles that matter most, in the order in which they came. */
function pick(tiles: readonly Tile[], count: number, recentSpeakers: readonly ParticipantId[]): readonly Tile[] {
  if (tiles.length <= count) return tiles;
  const weight = (tile: Tile): number => {
    if (tile.source === "screen") return 5000;
    if (tile.own) return 4000;
    if (tile.participant.hand > 0) return 3000;
    const recent = recentSpeakers.indexOf(tile.participant.id);
    if (recent >= 0) return 2000 - recent;
    return tile.picture ? 1000 : 0;
  };
  const chosen = new Set([...tiles].sort((one, other) => weight(other) - weight(one)).slice(0, count));
  return tiles.filter((tile) => chosen.has(tile));
}
