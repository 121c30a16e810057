/** What we do in the room: publish, receive, show and ask, from one seat to the next. For the worker. */

import type { DeriveKey, Event } from "../core/events.js";
import type { MediaPacket } from "../core/media/packet.js";
import { LayerChoices, PATIENCE } from "../core/media/layers.js";
import { QualityMeter } from "../core/media/quality.js";
import type { DevicePins } from "../core/membership/pins.js";
import type { Seat } from "../core/seat.js";
import type { Session } from "../core/session.js";
import type { SigningKey } from "../protocol/identity.js";
import { DownlinkAdaptation, type DownlinkSecond } from "./adaptation.js";
import type { OwnMedia, PictureSize, PictureSource, Report, Request, SoundSource } from "./commands.js";
import { type Connection, monotonic } from "./connection.js";
import type { Degraded, LimitedPicture, ParticipantId, WantedPicture } from "./facts.js";
import { Volumes } from "./participant.js";
import { PublishingDesk } from "./publishing.js";
import { Reception } from "./receiving.js";
import { Requests } from "./requests.js";
import { RoomView } from "./room-view.js";
import { choicesOf, limitedPictures, type Measured, SOUND, wantedStreams, type WantedStream } from "./subscription.js";

/** Milliseconds for which changes of people are collected. */
const TELL_DELAY = 50;
/** Milliseconds between looks at pictures that wait and at what the way up carries. */
const TEND_INTERVAL = 100;
/** Of these, those in a second. */
const TENDS_PER_SECOND = 10;
const NO_PACKETS: DownlinkSecond = { packets: 0, lost: 0 };

/** One seat, with what carries it. The session may have lost the seat when its last events are told. */
interface Place {
  readonly seat: Seat;
  readonly session: Session;
  readonly connection: Connection;
  readonly view: RoomView;
}

export class Stay {
  private readonly desk: PublishingDesk;
  private readonly reception: Reception;
  private readonly requests: Requests;
  private place: Place | undefined;
  private telling: ReturnType<typeof setTimeout> | undefined;
  private tending: ReturnType<typeof setInterval> | undefined;
  private tends = 0;
  private downlink = new DownlinkAdaptation();
  private wanted: readonly WantedPicture[] = [];
  private streams: readonly WantedStream[] = [];
  private layers = new LayerChoices();
  /** Bits per second with which there would be more pictures than now. */
  private nextBudget = Infinity;
  private subscribed = "";
  private limited = "[]";
  private readonly volumes = new Volumes();
  private dataSaver = false;
  private mostLines = 720;
  private droppedPictures = 0;
  private bytes = { sent: 0, received: 0 };
  private readonly allBytes = { sent: 0, received: 0 };
  /** Packets of the way down until the last second. */
  private counted = NO_PACKETS;
  private meter = new QualityMeter();

  /** `keyMade` gets the account key of a password that the person changes to. */
  constructor(
    private readonly tell: (report: Report, transfer?: Transferable[]) => void,
    keyMade: (derivation: DeriveKey, key: SigningKey) => void,
  ) {
    this.desk = new PublishingDesk({
      pump: () => this.place?.connection.pump(),
      publishing: (media, state) => tell({ type: "publishing", media, state }),
      microphoneNotice: (notice) => tell({ type: "microphoneNotice", notice }),
    });
    this.reception = new Reception({
      clockOf: (participant, stream) => {
        const clock = this.place?.seat.memberKeys.get(participant)?.clocks.get(stream);
        return clock && { timestamp: clock.timestamp, time: clock.time / 1e6 };
      },
      askKeyframe: (stream, spatial) => {
        this.place?.seat.downlink.requestKeyframe(stream, spatial, monotonic());
        this.place?.connection.pump();
      },
      isWelcome: (stream, spatial) => this.layers.isWelcome(stream, spatial),
      shown: (stream, spatial) => {
        if (this.layers.shown(stream, spatial, monotonic())) this.subscribe();
      },
      picture: (participant, source, frame, showAt) => {
        const at = performance.timeOrigin + showAt * 1000;
        tell({ type: "picture", participant, source, frame, showAt: at }, [frame]);
      },
      pictureEnded: (participant, source) => tell({ type: "pictureEnded", participant, source }),
    });
    this.requests = new Requests((number, problem) => tell({ type: "answer", number, problem }), keyMade);
  }

  /** A seat was taken, the first one or again. */
  entered(session: Session, connection: Connection, pins: DevicePins): void {
    const { seat } = session;
    const view = new RoomView(seat.room, pins, this.volumes, this.tell);
    this.place = { seat, session, connection, view };
    this.subscribed = "";
    this.layers = new LayerChoices();
    this.downlink = new DownlinkAdaptation();
    this.droppedPictures = 0;
    this.bytes = { sent: 0, received: 0 };
    this.counted = NO_PACKETS;
    this.meter = new QualityMeter();
    this.desk.entered(seat);
    this.subscribe();
    this.tending = setInterval(() => this.tend(), TEND_INTERVAL);
    this.changed();
  }

  /** The seat is gone. */
  left(): void {
    clearInterval(this.tending);
    clearTimeout(this.telling);
    this.telling = undefined;
    this.place = undefined;
    this.requests.lost();
    this.desk.left();
    this.reception.end();
    this.tellLimited([]);
  }

  /** Take an event of the session. */
  happened(event: Event): void {
    if (this.place === undefined) return;
    if (this.place.view.take(event)) this.changed();
    this.requests.take(event);
    switch (event.type) {
      case "trackPublished":
      case "trackUpdated":
        if (event.track.participant !== this.place.seat.room.own) this.reception.published(event.track);
        this.subscribe();
        break;
      case "trackUnpublished":
        this.reception.unpublished(event.track);
        this.subscribe();
        break;
      case "participantJoined": {
        const { member } = event.participant;
        this.reception.setVolume(member.participant, this.volumes.of(member));
        break;
      }
      case "participantLeft":
        this.reception.left(event.participant.member.participant);
        break;
      case "published":
        this.desk.published(event);
        break;
      case "publicationReady":
        this.desk.ready(event.number);
        break;
      case "publishFailed":
        this.desk.failed(event.number);
        break;
      case "holdChanged": {
        const media = this.desk.holdChanged(event.number, event.held);
        const type = event.held ? "held_muted" : "hold_ended";
        if (media !== undefined) this.tell({ type: "happening", happening: { type, source: media } });
        break;
      }
      case "keyframeRequested":
        this.desk.keyframeRequested(event.number, event.spatial);
        break;
      case "layersWanted":
        this.desk.layersWanted(event.number, event.layers);
        break;
    }
  }

  received(packets: readonly MediaPacket[]): void {
    this.reception.receive(packets);
  }

  publish(media: OwnMedia | SoundSource, on: boolean, size?: PictureSize): void {
    this.desk.set(media, on, size);
  }

  /** Take the sound of a capture. */
  sound(media: SoundSource, port: MessagePort): void {
    this.desk.soundBegins(media);
    port.onmessage = (event) => this.desk.sound(media, event.data);
  }

  playout(port: MessagePort): void {
    this.reception.play(port);
  }

  /** Take a picture of ours. While the connection is lost it has to wait, as it has for the pictures before it. */
  picture(source: PictureSource, frame: VideoFrame): void {
    const isFree = this.place?.session.phase === "room" && this.place.connection.uplink.waiting === 0;
    this.desk.picture(source, frame, isFree);
  }

  want(pictures: readonly WantedPicture[]): void {
    this.wanted = pictures;
    this.subscribe();
  }

  setDataSaver(on: boolean): void {
    this.dataSaver = on;
    this.subscribe();
  }

  setReceivedHeight(lines: number): void {
    this.mostLines = lines;
    this.subscribe();
  }

  setVolume(participant: ParticipantId, volume: number): void {
    const found = this.place?.seat.room.members.get(participant);
    if (found === undefined) return;
    this.volumes.choose(found.member, volume);
    this.reception.setVolume(participant, volume);
    this.changed();
  }

  drawn(participant: ParticipantId, source: PictureSource): void {
    this.reception.drawn(participant, source);
  }

  /** Carry out what the person asks of the server; an answer follows. */
  request(number: number, request: Request): void {
    if (this.place === undefined) {
      const problem = { code: "not_in_room", detail: "", retryAfter: 0 } as const;
      this.tell({ type: "answer", number, problem });
      return;
    }
    const { session, connection, view } = this.place;
    this.requests.send(session, number, request, (messageId, text, to) => view.chatSending(messageId, text, to));
    connection.pump();
  }

  private subscribe(): void {
    if (this.place === undefined) return;
    const { seat } = this.place;
    const limits = { budget: this.dataSaver ? 0 : this.downlink.budget, lines: this.mostLines };
    const measured: Measured = (info, spatial) => this.reception.bitrate(info, spatial);
    const { streams, next } = wantedStreams(this.wanted, seat.room.publications.values(), limits, measured);
    this.streams = streams;
    this.nextBudget = next;
    const wishes = new Map(streams.map(({ info, spatial }) => [info.stream, spatial]));
    this.layers.want(wishes, this.patience, monotonic());
    this.reception.want(streams);
    const choices = choicesOf(streams, (stream) => this.layers.range(stream));
    const text = JSON.stringify(choices);
    if (text === this.subscribed) return;
    this.subscribed = text;
    seat.downlink.subscribe(SOUND, choices);
    this.place.connection.pump();
  }

  /** Seconds in which the keyframe of another layer has to come. */
  private get patience(): number {
    return PATIENCE + (this.place?.seat.path.statistics.rtt ?? 0);
  }

  private tellLimited(pictures: readonly LimitedPicture[]): void {
    const text = JSON.stringify(pictures);
    if (text === this.limited) return;
    this.limited = text;
    this.tell({ type: "limited", pictures });
  }

  private changed(): void {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.place?.view.tell();
    }, TELL_DELAY);
  }

  private tend(): void {
    this.reception.tend();
    if (this.place === undefined || this.place.session.phase !== "room") return;
    this.tellLimited(
      limitedPictures(this.wanted, this.streams, this.reception.stalled, (stream) => this.layers.isLowered(stream)),
    );
    const failed = this.downlink.glance(this.reception.packets);
    if (this.layers.handleTimeout(this.patience, monotonic()) || failed) this.subscribe();
    const { connection, session } = this.place;
    const dropped = connection.uplink.dropped.large;
    if (dropped > this.droppedPictures) this.desk.picturesDropped();
    const congested = dropped > this.droppedPictures || connection.uplink.isCongested(monotonic());
    this.droppedPictures = dropped;
    this.desk.tend(congested, session.networkStatistics().up.recentLoss);
    this.tends += 1;
    if (this.tends % TENDS_PER_SECOND === 0) this.second(connection, session);
  }

  private second(connection: Connection, session: Session): void {
    const { path, rtt, up, down } = session.networkStatistics();
    const all = { packets: down.packets - this.counted.packets, lost: down.lost - this.counted.lost };
    this.counted = down;
    if (this.downlink.second(this.reception.second(), all, this.streams.length > 0, this.nextBudget)) this.subscribe();
    const [sent, received] = [connection.sent - this.bytes.sent, connection.received - this.bytes.received];
    this.bytes = { sent: connection.sent, received: connection.received };
    this.allBytes.sent += sent;
    this.allBytes.received += received;
    const statistics = {
      roundTripMs: Math.round((rtt ?? 0) * 1000),
      lossUp: up.recentLoss,
      lossDown: down.recentLoss,
      sentBitsPerSecond: sent * 8,
      receivedBitsPerSecond: received * 8,
      sentBytes: this.allBytes.sent,
      receivedBytes: this.allBytes.received,
    };
    const use = { sendsPictures: this.desk.sendsPictures, getsPictures: this.reception.pictureCount > 0 };
    if (this.meter.look({ path, rtt, up, down }, use, monotonic())) {
      this.place?.seat.connections.tell(this.meter.quality);
      this.place?.view.ownQuality(this.meter.quality);
      connection.pump();
    }
    this.tell({ type: "statistics", statistics, degraded: this.degraded(), advice: this.meter.advice });
    this.changed();
  }

  private degraded(): Degraded {
    if (this.dataSaver || this.nextBudget === Infinity) return "no";
    return this.streams.length === 0 ? "pictures_paused" : "pictures_reduced";
  }
}
