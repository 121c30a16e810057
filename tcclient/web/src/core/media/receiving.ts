/** From datagrams to the packets of other participants. */

import { type Beacon, openBeacon } from "../../protocol/beacon.js";
import { Reader } from "../../protocol/bytes.js";
import {
  type Item,
  ItemType,
  Kind,
  MAX_DATAGRAM,
  MIN_DATAGRAM,
  parseDatagramHeader,
  parseItems,
  parseRelayTime,
  RELAY_TIME_SIZE,
  VERSION,
} from "../../protocol/datagram.js";
import { CryptoFailure } from "../../protocol/errors.js";
import type { PublicationId } from "../../protocol/keyring.js";
import { isVideo, PacketType, parseHeader, parseSeries, type Series } from "../../protocol/packet.js";
import { parsePositions } from "../../protocol/path.js";
import type { Transit } from "../../protocol/transit.js";
import type { Drop, Drops } from "../drops.js";
import type { MemberKeys } from "../keys/member-keys.js";
import type { Opened, RoomDatagramOpener } from "../keys/room-datagrams.js";
import type { RoomState, Stream } from "../membership/roster.js";
import type { MediaPacket, SealedPacket } from "./packet.js";
import type { MediaPath } from "../path/media-path.js";
import { type DirectionStatistics, LossMeter, StreamStatistics } from "./statistics.js";

/** Packets that wait for the application: some seconds of a full room; the oldest go first. */
export const MAX_QUEUED = 4096;
/**
 * Seconds for which a packet waits for the roster to name its stream: the server tells changes in batches, on the control
 * connection, which may be a retransmission behind.
 */
export const STRAY_HOLD = 0.5;
/** Packets that wait so: a keyframe and some sound; the oldest go first. */
export const MAX_STRAYS = 128;
/** Series that are counted; more are received without. */
export const MAX_SERIES = 4096;

/** The items that hold packets. */
const PACKET_ITEMS: ReadonlyMap<number, { readonly isHeld: boolean; readonly redundant: boolean }> = new Map([
  [ItemType.PACKET, { isHeld: false, redundant: false }],
  [ItemType.HELD_PACKET, { isHeld: true, redundant: false }],
  [ItemType.REDUNDANT_PACKET, { isHeld: false, redundant: true }],
  [ItemType.HELD_REDUNDANT_PACKET, { isHeld: true, redundant: true }],
]);

/** How a room datagram came. */
interface Arrival {
  readonly sealer: number;
  readonly relayTime: number;
  /** Undefined for one behind a later one. */
  readonly transit: Transit | undefined;
  readonly receivedAt: number;
}

/** A beacon that came; `first` says that none came of this sender before. */
export interface ReceivedBeacon {
  readonly sender: MemberKeys;
  readonly beacon: Beacon;
  readonly first: boolean;
}

/** The counts of one series of one sealer. */
export interface SeriesCounts {
  readonly sealer: number;
  readonly series: Series;
  readonly counts: StreamStatistics;
}

/** What `MediaReceiver` works with. */
interface Surroundings {
  readonly path: MediaPath;
  readonly opener: RoomDatagramOpener;
  readonly room: RoomState;
  readonly senders: ReadonlyMap<number, MemberKeys>;
  /** Called with each packet that opened. */
  readonly heard: (packet: MediaPacket, now: number) => void;
  readonly drops: Drops;
}

/** Opens datagrams and the packets in them. What is bad is dropped and counted under its reason. */
export class MediaReceiver {
  readonly #around: Surroundings;
  #beacons: ReceivedBeacon[] = [];
  #queue: MediaPacket[] = [];
  #streams: ReadonlyMap<number, Stream>;
  /** By sealer, stream and code of the series. */
  readonly #series = new Map<string, SeriesCounts>();
  /** Packets lost on the way down, by stream. */
  readonly #lost = new Map<number, number>();
  /** Packets of all series there were. */
  #expected = 0;
  #received = 0;
  #reordered = 0;
  #late = 0;
  readonly #loss = new LossMeter();
  #strays: SealedPacket[] = [];

  constructor(around: Surroundings) {
    this.#around = around;
    this.#streams = around.room.streams;
  }

  /** Whether `takeBeacons` has some. */
  get hasBeacons(): boolean {
    return this.#beacons.length > 0;
  }

  /** Return the beacons that came, once. */
  takeBeacons(): ReceivedBeacon[] {
    const beacons = this.#beacons;
    this.#beacons = [];
    return beacons;
  }

  /** Return the packets that came, in order, once. */
  take(): MediaPacket[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue;
  }

  /** Return the counts of each sealer's series. */
  statistics(): SeriesCounts[] {
    return [...this.#series.values()];
  }

  /** Return the counts of the way down. */
  direction(): DirectionStatistics {
    const lost = this.#lostInAll();
    return {
      packets: this.#expected,
      lost,
      recentLoss: this.#loss.recent(this.#expected, lost),
      jitterMs: Math.max(0, ...this.statistics().map(({ counts }) => counts.jitterMs)),
      reordered: this.#reordered,
      late: this.#late,
    };
  }

  /** Something else is wanted from now on: what was forwarded of a series meanwhile was not for us. */
  wantsChanged(): void {
    for (const { counts } of this.#series.values()) counts.restart();
  }

  /**
   * Drop the counts of streams that are no more, or another one now; deliver what waited for those that are new.
   *
   * Ids come back, and forward numbers begin anew with the stream.
   */
  streamsChanged(now: number): void {
    const [before, streams] = [this.#streams, this.#around.room.streams];
    this.#streams = streams;
    for (const stream of this.#lost.keys()) {
      if (!streams.has(stream)) this.#lost.delete(stream);
    }
    for (const [slot, { series }] of this.#series) {
      if (!isSameStream(before.get(series.stream), streams.get(series.stream))) this.#series.delete(slot);
    }
    const strays = this.#strays;
    this.#strays = [];
    for (const stray of strays) this.#packet(stray, now);
  }

  /** Take a datagram. */
  receive(data: Uint8Array, now: number): void {
    const { path, opener } = this.#around;
    if (data.length < MIN_DATAGRAM || data.length > MAX_DATAGRAM) return this.#drop("size");
    const header = parseDatagramHeader(data);
    if (header.version !== VERSION) return this.#drop("version");
    if (header.kind === Kind.ROOM) {
      const opened = opener.open(header, data, now);
      if (opened === undefined) return;
      path.hear();
      return this.#roomDatagram(opened, header.id, now);
    }
    if (header.kind !== Kind.DOWN) return this.#drop("kind");
    if (header.id !== path.mediaId) return this.#drop("unknown_id");
    const plaintext = path.open(header, data, now);
    if (plaintext !== undefined) this.#downDatagram(plaintext, now);
  }

  /** Deliver what waited for a key of the sender that has come. */
  release(sender: MemberKeys, now: number): void {
    const { ready, expired } = sender.released(now);
    if (expired > 0) this.#around.drops.add("no_key", expired);
    for (const { sealed, publication } of ready) this.#open(sender, sealed, publication, now);
  }

  #drop(reason: Drop): void {
    this.#around.drops.add(reason);
  }

  #downDatagram(plaintext: Uint8Array, now: number): void {
    try {
      for (const item of parseItems(plaintext)) {
        if (item.type !== ItemType.POSITIONS) this.#around.path.handleItem(item, now);
        else for (const { sealer, counter } of parsePositions(item.value)) this.#around.opener.confirm(sealer, counter);
      }
    } catch (error) {
      this.#malformed(error, "malformed");
    }
  }

  #roomDatagram({ sealer: from, plaintext, reordered }: Opened, sealer: number, now: number): void {
    let relayTime: number;
    let items: Item[];
    try {
      relayTime = parseRelayTime(plaintext);
      items = parseItems(plaintext, RELAY_TIME_SIZE);
    } catch (error) {
      this.#malformed(error, "malformed");
      return;
    }
    const transit = reordered ? undefined : from.clock.transit(relayTime, now);
    for (const item of items) {
      const sealed = this.#sealedPacket(item, { sealer, relayTime, transit, receivedAt: now });
      if (sealed !== undefined) this.#packet(sealed, now);
    }
  }

  /** Return the packet in an item; undefined where it has none, or a malformed one. */
  #sealedPacket({ type, value }: Item, arrival: Arrival): SealedPacket | undefined {
    const form = PACKET_ITEMS.get(type);
    if (form === undefined) return undefined;
    try {
      const reader = new Reader(value);
      const [forward, heldMs] = [reader.u16(), form.isHeld ? reader.u16() : 0];
      const packet = value.subarray(reader.at);
      return {
        header: parseHeader(packet),
        packet,
        sealer: arrival.sealer,
        forward,
        redundant: form.redundant,
        relayTime: arrival.relayTime,
        heldMs,
        transit: form.isHeld ? undefined : arrival.transit?.transit,
        delay: arrival.transit?.delay ?? 0,
        receivedAt: arrival.receivedAt,
      };
    } catch (error) {
      this.#malformed(error, "packet_malformed");
      return undefined;
    }
  }

  #packet(sealed: SealedPacket, now: number): void {
    const { room, senders } = this.#around;
    const stream = room.streams.get(sealed.header.stream);
    if (stream === undefined) return this.#stray(sealed, now);
    this.#count(sealed);
    const sender = senders.get(stream.participant);
    if (sender === undefined) return this.#drop(stream.participant === room.own ? "own" : "unverified");
    if (stream.packetType !== sealed.header.type) return this.#drop("packet_malformed");
    if (stream.packetType === PacketType.BEACON) return this.#beacon(sender, sealed);
    return this.#open(sender, sealed, stream.publication, now);
  }

  #stray(sealed: SealedPacket, now: number): void {
    this.#strays.push(sealed);
    while (this.#strays.length > MAX_STRAYS || now >= (this.#strays[0]?.receivedAt ?? Infinity) + STRAY_HOLD) {
      this.#strays.shift();
      this.#drop("unknown_stream");
    }
  }

  #count(sealed: SealedPacket): void {
    const counts = this.#countsOf(sealed);
    if (counts === undefined) return;
    const { reordered, late } = counts;
    const more = counts.count(sealed.forward, sealed.transit, sealed.delay);
    this.#loss.mark(sealed.receivedAt, this.#expected, this.#lostInAll());
    this.#expected += more;
    this.#received++;
    this.#reordered += counts.reordered - reordered;
    this.#late += counts.late - late;
    const { stream } = sealed.header;
    if (more !== 1) this.#lost.set(stream, (this.#lost.get(stream) ?? 0) + more - 1);
  }

  #countsOf({ header, sealer, redundant }: SealedPacket): StreamStatistics | undefined {
    const layer = isVideo(header) ? (header.spatial << 5) | header.temporal : 0;
    const code = (redundant ? 0x80 : 0) | layer;
    const slot = `${sealer} ${header.stream} ${code}`;
    const known = this.#series.get(slot);
    if (known !== undefined) return known.counts;
    if (this.#series.size >= MAX_SERIES) return undefined;
    const counts = new StreamStatistics();
    this.#series.set(slot, { sealer, series: parseSeries(header.stream, code), counts });
    return counts;
  }

  #lostInAll(): number {
    return Math.max(0, this.#expected - this.#received);
  }

  #open(sender: MemberKeys, sealed: SealedPacket, publication: PublicationId, now: number): void {
    const { header, packet, receivedAt, relayTime, heldMs } = sealed;
    let payload: Uint8Array;
    try {
      payload = sender.open(header, packet, publication, now);
    } catch (error) {
      if (!(error instanceof CryptoFailure)) return this.#malformed(error, "packet_malformed");
      if (!sender.lacksKey(header.keyNumber)) this.#drop("packet_refused");
      else if (sender.hold(sealed, publication)) this.#drop("no_key");
      return;
    }
    const lost = this.#lost.get(header.stream) ?? 0;
    const { id: participant } = sender;
    const media = {
      participant,
      publication: publication.number,
      header,
      payload,
      receivedAt,
      relayTime,
      heldMs,
      lost,
    };
    this.#around.heard(media, now);
    this.#queue.push(media);
    if (this.#queue.length > MAX_QUEUED) {
      this.#queue.shift();
      this.#drop("queue_full");
    }
  }

  #beacon(sender: MemberKeys, { header: { sequence }, packet }: SealedPacket): void {
    const { room } = this.#around;
    if (sequence <= sender.claims.sequence) return this.#drop("packet_refused");
    const { boxKey, deviceKey } = sender.party;
    try {
      const beacon = openBeacon(packet, { fingerprint: room.fingerprint, life: room.room.life, boxKey }, deviceKey);
      const first = sender.claims.sequence < 0;
      sender.claims.sequence = sequence;
      this.#beacons.push({ sender, beacon, first });
    } catch (error) {
      if (error instanceof CryptoFailure) return this.#drop("packet_refused");
      return this.#malformed(error, "packet_malformed");
    }
  }

  /** Count what was malformed; any other error is a fault of ours. */
  #malformed(error: unknown, reason: Drop): void {
    if (!(error instanceof RangeError)) throw error;
    this.#drop(reason);
  }
}

function isSameStream(a: Stream | undefined, b: Stream | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [one, other] = [a.publication, b.publication];
  return (
    a.participant === b.participant &&
    a.packetType === b.packetType &&
    one.number === other.number &&
    one.kind === other.kind &&
    one.source === other.source
  );
}
