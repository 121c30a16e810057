/** The rows of the table of control messages: who may send each, in which states, and what answers it. */

import { type Given, type Record_, record, type Shape, type Whole } from "../fields.js";

/** Who may send a message. */
export type Sender = "client" | "server" | "both";

/** States of a control connection after the handshake, in which a message may be sent. */
export type State = "login" | "lobby" | "room";

export const ANY: readonly State[] = ["login", "lobby", "room"];
export const SEATED: readonly State[] = ["room"];

/** What a row says beyond name, sender and fields. */
interface Place {
  readonly states?: readonly State[];
  /** The name of the reply to a request. */
  readonly answer?: string;
  /** Whether it is a reply itself. */
  readonly reply?: boolean;
}

/** A message of one type: its name as `t`, and its fields. */
export type MessageOf<R> = R extends Row<infer N, infer S> ? { readonly t: N } & Whole<S> : never;

/** The row of a message in the table. */
export interface Row<N extends string = string, S extends Shape = Shape> {
  readonly name: N;
  readonly sender: Sender;
  readonly states: readonly State[];
  readonly answer: string | undefined;
  readonly reply: boolean;
  readonly fields: Record_<S>;
  /** Return a message, with defaults for the fields that are left out. */
  make(given: Given<S>): { readonly t: N } & Whole<S>;
}

export function row<const N extends string, S extends Shape>(
  name: N,
  sender: Sender,
  shape: S,
  place: Place = {},
): Row<N, S> {
  const fields = record(name, shape);
  return {
    name,
    sender,
    states: place.states ?? ANY,
    answer: place.answer,
    reply: place.reply ?? false,
    fields,
    make: (given) => ({ t: name, ...fields.make(given) }),
  };
}
