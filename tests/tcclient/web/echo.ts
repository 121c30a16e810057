// Reads a message in hexadecimal digits from each line, and writes it again as the page does, or the code of the refusal.

import { createInterface } from "node:readline";

import { fromHex, hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { ProtocolError } from "../../../tcclient/web/src/protocol/errors.js";
import { decode, encode } from "../../../tcclient/web/src/protocol/messages.js";

function echo(line: string): string {
  try {
    const { message, requestId } = decode(fromHex(line));
    return message.t === undefined ? "unknown" : hex(encode(message, requestId));
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${echo(line)}\n`);
