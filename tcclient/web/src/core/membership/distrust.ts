/** The end of all dealings with a server. */

import type { ErrorCode } from "../../protocol/errors.js";

/**
 * The server is not to be dealt with any further: it says what no honest server says. The session stops.
 *
 * `closed` tells so, with `code`.
 */
export class Distrust extends Error {
  override readonly name = "Distrust";

  constructor(
    message: string,
    readonly code: ErrorCode = "unexpected_message",
  ) {
    super(message);
  }
}
