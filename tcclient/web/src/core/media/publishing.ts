/** Our publications on the control connection: announced, muted, held, ended. */

import { Refusal } from "../../protocol/errors.js";
import { type ErrorReply, Mute, type Published, type PublicationInfo, Unpublish } from "../../protocol/messages.js";
import type { Line } from "../control.js";
import type { Emit } from "../events.js";
import type { SenderKeys } from "../keys/own-key.js";
import type { NewPublication, Publications } from "./publications.js";

/** What `Publishing` works with. */
interface Surroundings {
  readonly control: Line;
  readonly emit: Emit;
  readonly publications: Publications;
  /** Undefined in a room without end-to-end encryption. */
  readonly keys: SenderKeys | undefined;
  /** Sends what has collected, such as keys. */
  readonly settle: (now: number) => void;
}

/** The dialogue about what we publish. Requests return their id. */
export class Publishing {
  /** When something happened last, as the owner says: near enough for when a publication has ended. */
  now = 0;
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /**
   * Announce a publication, the first of which makes us a sender of keys; return its number.
   *
   * `published` or `publishFailed` follows, later `publicationReady`. Throws `RangeError` for a value out of range.
   */
  publish(publication: NewPublication, now: number): number {
    const { control, publications, keys, settle } = this.#around;
    const announced = publications.announce(publication);
    control.request(announced);
    publications.add(announced);
    keys?.start(now);
    keys?.announced(announced.layers, now);
    settle(now);
    return announced.number;
  }

  /** End a publication at once; return the request id, 0 where it has ended already. */
  unpublish(number: number): number {
    if (!this.#around.publications.live.has(number)) return 0;
    this.#forget(number);
    return this.#around.control.request(Unpublish.make({ number }));
  }

  /** Mute or unmute, here at once. Throws `Refusal` where it is not live, and to unmute what is held muted. */
  setMuted(number: number, muted: boolean): number {
    const publication = this.#around.publications.live.get(number);
    if (publication === undefined) throw new Refusal("no_such_publication");
    if (publication.held && !muted) throw new Refusal("not_permitted", "a chair holds it muted");
    publication.muted = muted;
    return this.#around.control.request(Mute.make({ number, muted }));
  }

  /** Take the reply to `publish`. */
  published(number: number, reply: Published | ErrorReply, now: number): void {
    const { emit, publications } = this.#around;
    if (reply.t === "error") {
      this.#forget(number);
      emit({ type: "publishFailed", number, code: reply.code, text: reply.text });
    } else if (!publications.accepted(number, reply.stream, now)) {
      this.unpublish(number);
      emit({ type: "publishFailed", number, code: "internal", text: "the server gave a stream id again too soon" });
    } else {
      emit({ type: "published", number, stream: reply.stream, caps: reply.caps });
    }
  }

  /** Forget a publication that the server has ended, if it is live. */
  ended(number: number): void {
    if (!this.#around.publications.live.has(number)) return;
    this.#forget(number);
    const text = "the server has ended the publication";
    this.#around.emit({ type: "publishFailed", number, code: "not_permitted", text });
  }

  /** Note whether another participant holds our publication muted. */
  flagsChanged({ number, held }: PublicationInfo): void {
    const publication = this.#around.publications.live.get(number);
    if (publication === undefined || publication.held === held) return;
    publication.held = held;
    publication.muted ||= held;
    this.#around.emit({ type: "holdChanged", number, held });
  }

  #forget(number: number): void {
    const { publications, keys } = this.#around;
    publications.forget(number, this.now);
    if (publications.live.size === 0) keys?.stop();
  }
}
