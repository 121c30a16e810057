import assert from "node:assert/strict";
import { test } from "node:test";

import { missingFeatures } from "../../../tcclient/web/src/page/support.js";

test("a browser that lacks something is told from one that can take part", () => {
  const whole = {
    isSecureContext: true,
    AudioEncoder: {},
    AudioDecoder: {},
    VideoDecoder: {},
    AudioWorkletNode: {},
    crypto: { subtle: {} },
  };
  assert.deepEqual(missingFeatures(whole), []);
  assert.deepEqual(missingFeatures({ ...whole, isSecureContext: false }), ["secure_context"]);
  assert.deepEqual(missingFeatures({ ...whole, AudioEncoder: undefined, crypto: {} }), ["webcodecs", "web_crypto"]);
  assert.deepEqual(missingFeatures({ ...whole, AudioWorkletNode: undefined }), ["audio_worklet"]);
});
