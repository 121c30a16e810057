/** A packet of another participant on its way through the client: sealed, then opened, and the same up to the ear. */

import type { AudioHeader, Header, VideoHeader } from "../../protocol/packet.js";

/** A packet as it was forwarded to us, before it is opened. */
export interface SealedPacket {
  readonly header: Header;
  /** Header, payload and tag. */
  readonly packet: Uint8Array;
  /** Id of the sealer of the datagram it came in. */
  readonly sealer: number;
  /** Forward number, u16. */
  readonly forward: number;
  /** Whether it belongs to the redundant variant of its stream. */
  readonly redundant: boolean;
  /** µs by the relay's clock, modulo 2^32. */
  readonly relayTime: number;
  /** How long the relay held the packet back; not jitter. */
  readonly heldMs: number;
  /** Seconds on the way, up to a constant of the sealer; undefined where the relay time tells nothing about the way. */
  readonly transit: number | undefined;
  /** Seconds behind the quickest packet of the sealer. */
  readonly delay: number;
  /** Monotonic seconds. */
  readonly receivedAt: number;
}

/** A packet of another participant: authentic, new, and opened. A frame of sound is one packet. */
export interface MediaPacket<H extends Header = Header> {
  readonly participant: number;
  /** Number of the publication. */
  readonly publication: number;
  readonly header: H;
  readonly payload: Uint8Array;
  /** Monotonic seconds. */
  readonly receivedAt: number;
  /** µs by the relay's clock, modulo 2^32. */
  readonly relayTime: number;
  /** How long the relay held the packet back; not jitter. */
  readonly heldMs: number;
  /** Packets of the stream that were lost on the way from the relay, as far as known; may fall when one comes late. */
  readonly lost: number;
}

export type AudioPacket = MediaPacket<AudioHeader>;
export type VideoPacket = MediaPacket<VideoHeader>;
