/** From the handshake to the welcome: the key of the server, and the proof of account and device. */

import {
  accountChangeText,
  accountLoginText,
  type Challenge,
  checkCosts,
  DEFAULT_MEMORY,
  DEFAULT_PASSES,
  deviceLoginText,
  effectiveSalt,
  SALT_SIZE,
} from "../protocol/account.js";
import { equal, NO_BYTES } from "../protocol/bytes.js";
import type { ControlConnection, HandshakeCompleted } from "../protocol/control.js";
import { fingerprint, type SigningKey } from "../protocol/identity.js";
import {
  ChangePassword,
  Login as LoginMessage,
  LoginBegin,
  type LoginChallenge,
  Resume,
  type Welcome,
} from "../protocol/messages.js";
import type { DeriveKey, Emit } from "./events.js";
import { Distrust } from "./membership/distrust.js";
import type { Signing } from "./signing.js";

const KIB = 1024;

/** What `Login` works with. */
interface Surroundings {
  /** The fingerprint of the server from the link or the pin, undefined where the owner decides. */
  readonly expected: Uint8Array | undefined;
  readonly signing: Signing;
  readonly control: ControlConnection;
  readonly emit: Emit;
  readonly randomBytes: (size: number) => Uint8Array;
}

/** The dialogue of a login. Its messages go to `control`, its events to `emit`. */
export class Login {
  /** Fingerprint of the server, once it has proved its key. */
  fingerprint: Uint8Array = NO_BYTES;
  welcome: Welcome | undefined;
  readonly #expected: Uint8Array | undefined;
  readonly #signing: Signing;
  readonly #control: ControlConnection;
  readonly #emit: Emit;
  readonly #randomBytes: (size: number) => Uint8Array;
  #hash: Uint8Array = NO_BYTES;
  /** The one of the connection that the session began on. */
  #loginHash: Uint8Array = NO_BYTES;
  #static: Uint8Array = NO_BYTES;
  /** How the present account key is derived. */
  #challenge: Challenge | undefined;
  #account = "";
  #name = "";

  constructor({ expected, signing, control, emit, randomBytes }: Surroundings) {
    this.#expected = expected;
    this.#signing = signing;
    this.#control = control;
    this.#emit = emit;
    this.#randomBytes = randomBytes;
  }

  /** Check the key of the server; tell whether one was expected. Throws `Distrust` if it is another one. */
  handshakeCompleted(event: HandshakeCompleted): boolean {
    [this.#hash, this.#static] = [event.handshakeHash, event.remoteStatic];
    this.fingerprint = fingerprint(event.remoteStatic);
    const trusted = this.#expected !== undefined;
    if (this.#expected !== undefined && !equal(this.#expected, this.fingerprint)) {
      this.#emit({ type: "wrongServerKey", expected: this.#expected, found: this.fingerprint });
      throw new Distrust("the server's key is not the one expected", "bad_handshake");
    }
    this.#emit({ type: "serverKey", fingerprint: this.fingerprint, static: this.#static, trusted });
    return trusted;
  }

  /** Go on with what the login before is known to be: this connection is to resume its session. */
  follow(before: Login): void {
    [this.#account, this.#name, this.#loginHash] = [before.#account, before.#name, before.#loginHash];
    [this.#challenge, this.welcome] = [before.#challenge, before.welcome];
  }

  /** Ask for the session of the login before. The signature is valid on this connection only. */
  resume(token: Uint8Array, lastEvent: bigint): void {
    const deviceKey = this.#signing.device;
    this.#signing.ask(deviceLoginText(this.#hash, this.#account), (deviceSignature) => {
      this.#control.request(Resume.make({ token, deviceKey, deviceSignature, lastEvent }));
    });
  }

  /** Ask for the challenge of an account, by its folded name. */
  begin(account: string, name: string): void {
    [this.#account, this.#name] = [account, name];
    this.#control.request(LoginBegin.make({ account }));
  }

  /** Have the account key derived. Throws `Distrust` for costs out of range, or for another account. */
  challenged(challenge: LoginChallenge): void {
    if (challenge.account !== this.#account) {
      throw new Distrust("the server answered for another account than was asked for");
    }
    const [memoryBytes, passes] = [challenge.memoryKib * KIB, challenge.passes];
    try {
      checkCosts(memoryBytes, passes);
    } catch {
      throw new Distrust("the server asks for a password derivation that is too cheap or too dear");
    }
    this.#challenge = { salt: challenge.salt, memoryBytes, passes };
    this.#emit(this.#derivation(this.#challenge));
  }

  /** Prove account and device. Both signatures are valid on this connection only. */
  accountKeyDerived(key: SigningKey): void {
    const [account, name, deviceKey] = [this.#account, this.#name, this.#signing.device];
    const accountSignature = key.sign(accountLoginText(this.#hash, deviceKey, account));
    this.#signing.ask(deviceLoginText(this.#hash, account), (deviceSignature) => {
      this.#control.request(LoginMessage.make({ account, name, deviceKey, accountSignature, deviceSignature }));
    });
  }

  /** Take the welcome. Throws `Distrust` if it is for another name, which this client would sign later. */
  welcomed(welcome: Welcome): void {
    const { account, agency, name, limits } = welcome;
    if (account !== this.#account || name !== this.#name) {
      throw new Distrust("the server logs us in as somebody else than we asked for");
    }
    [this.welcome, this.#loginHash] = [welcome, this.#hash];
    this.#emit({ type: "loggedIn", account, agency, name, limits });
  }

  /** Return a random salt, and how the keys of the present and of a new password are derived. */
  passwordKeys(): PasswordKeys {
    if (this.#challenge === undefined) throw new Error("there is a challenge once the login is done");
    const salt = this.#randomBytes(SALT_SIZE);
    return { salt, present: this.#derivation(this.#challenge), next: this.#derivation(defaultCosts(salt)) };
  }

  /**
   * Give the own account another password, by the keys that `passwordKeys` told; return the request id.
   *
   * `requestDone` or `requestFailed` follows. All other sessions of the account end.
   */
  changePassword(present: SigningKey, next: SigningKey, salt: Uint8Array): number {
    const { memoryBytes, passes } = defaultCosts(salt);
    const text = accountChangeText(this.#loginHash, this.#account, next.public, defaultCosts(salt));
    const fields = {
      salt,
      memoryKib: memoryBytes / KIB,
      passes,
      publicKey: next.public,
      signature: present.sign(text),
    };
    return this.#control.request(ChangePassword.make(fields));
  }

  /** Take the password that the server has accepted for the present one. */
  passwordChanged({ salt, memoryKib, passes }: ChangePassword): void {
    this.#challenge = { salt, memoryBytes: memoryKib * KIB, passes };
  }

  #derivation({ salt, memoryBytes, passes }: Challenge): DeriveKey {
    const account = this.#account;
    return { type: "deriveKey", account, salt: effectiveSalt(this.#static, account, salt), memoryBytes, passes };
  }
}

/** How the keys of the present and of a new password are derived. */
export interface PasswordKeys {
  /** Of the new password, as the server gets it; 16 bytes. */
  readonly salt: Uint8Array;
  readonly present: DeriveKey;
  readonly next: DeriveKey;
}

function defaultCosts(salt: Uint8Array): Challenge {
  return { salt, memoryBytes: DEFAULT_MEMORY, passes: DEFAULT_PASSES };
}
