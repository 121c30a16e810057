/** Mixing the voices of a room into one stream of sound. */

/** Amplitude, 2.5 dB below full scale, up to which the mix passes unchanged. */
export const LIMIT = 0.75;

/** A gain that moves within one block, so that it does not click. */
export class Gain {
  private present: number;

  /** `wanted` is a factor of the amplitude, 0 or more. */
  constructor(public wanted = 1) {
    this.present = wanted;
  }

  /** Add `voice` to `mix`; both have one length. */
  add(mix: Float32Array, voice: Float32Array): void {
    const step = (this.wanted - this.present) / mix.length;
    for (let i = 0; i < mix.length; i++) {
      mix[i] = (mix[i] ?? 0) + (voice[i] ?? 0) * (this.present + step * (i + 1));
    }
    this.present = this.wanted;
  }
}

/** Bend what is above `LIMIT` smoothly towards full scale, in place; monotone, and never above 1. */
export function limit(mix: Float32Array): void {
  const headroom = 1 - LIMIT;
  for (let i = 0; i < mix.length; i++) {
    const sample = mix[i] ?? 0;
    const excess = Math.abs(sample) - LIMIT;
    if (excess > 0) mix[i] = Math.sign(sample) * (LIMIT + headroom * Math.tanh(excess / headroom));
  }
}
