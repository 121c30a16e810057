/**
 * Changing the length of a frame: of speech by one pitch period, so that the pitch stays, of quiet sound exactly.
 *
 * The first is a small form of WSOLA.
 *
 * Verhelst and Roelands, "An overlap-add technique based on waveform similarity", ICASSP 1993.
 */

/** Samples, 2.5 ms at 48 kHz: the shortest change, a period of 400 Hz. */
export const MIN_LAG = 120;
/** Samples, 10 ms: what is compared and cross-faded, one period of the deepest voice. */
const OVERLAP = 480;
/** Every so many samples are compared: pitch is far below 6 kHz, and the sound thread has little time. */
const STEP = 4;

/** Remove from 120 to `maximum` samples where it shows least; unchanged if the frame is too short for that. */
export function shorten(pcm: Float32Array, maximum: number): Float32Array {
  const { lag, overlap } = bestLag(pcm, maximum);
  if (lag === 0) return pcm;
  const result = new Float32Array(pcm.length - lag);
  crossFade(result.subarray(0, overlap), pcm.subarray(0, overlap), pcm.subarray(lag, lag + overlap));
  result.set(pcm.subarray(lag + overlap), overlap);
  return result;
}

/** Repeat from 120 to `maximum` samples where it shows least; unchanged if the frame is too short for that. */
export function lengthen(pcm: Float32Array, maximum: number): Float32Array {
  const { lag, overlap } = bestLag(pcm, maximum);
  if (lag === 0) return pcm;
  const result = new Float32Array(pcm.length + lag);
  result.set(pcm.subarray(0, lag));
  crossFade(result.subarray(lag, lag + overlap), pcm.subarray(lag, lag + overlap), pcm.subarray(0, overlap));
  result.set(pcm.subarray(overlap), lag + overlap);
  return result;
}

/** Make quiet sound longer or, below zero, shorter by exactly so many samples, at most half of them. */
export function resize(pcm: Float32Array, change: number): Float32Array {
  const lag = Math.abs(change);
  if (lag === 0) return pcm;
  const overlap = Math.min(OVERLAP, pcm.length - lag);
  const [beginning, later] = [pcm.subarray(0, overlap), pcm.subarray(lag, lag + overlap)];
  const result = new Float32Array(pcm.length + change);
  const at = change < 0 ? 0 : lag;
  result.set(pcm.subarray(0, at));
  crossFade(result.subarray(at, at + overlap), change < 0 ? beginning : later, change < 0 ? later : beginning);
  result.set(pcm.subarray(change < 0 ? lag + overlap : overlap), at + overlap);
  return result;
}

/** The lag at which the frame is most like its own beginning, and the length compared; 0 and 0 if none fits. */
function bestLag(pcm: Float32Array, maximum: number): { lag: number; overlap: number } {
  const overlap = Math.min(OVERLAP, pcm.length - maximum);
  if (maximum < MIN_LAG || overlap < MIN_LAG) return { lag: 0, overlap: 0 };
  let best = MIN_LAG;
  let most = -Infinity;
  for (let lag = MIN_LAG; lag <= maximum; lag++) {
    const likeness = correlate(pcm, 0, lag, overlap);
    if (likeness > most) {
      most = likeness;
      best = lag;
    }
  }
  return { lag: best, overlap };
}

/** Return how alike two stretches of `length` samples are, from -1 to 1. */
export function correlate(pcm: Float32Array, from: number, to: number, length: number): number {
  let product = 0;
  let energyFrom = 0;
  let energyTo = 0;
  for (let i = 0; i < length; i += STEP) {
    const a = pcm[from + i] ?? 0;
    const b = pcm[to + i] ?? 0;
    product += a * b;
    energyFrom += a * a;
    energyTo += b * b;
  }
  return product / Math.sqrt(energyFrom * energyTo + 1e-12);
}

/** Fill `result` with the way from `old` to `next`; all three have one length. */
export function crossFade(result: Float32Array, old: Float32Array, next: Float32Array): void {
  for (let i = 0; i < result.length; i++) {
    const weight = i / (result.length - 1);
    result[i] = (old[i] ?? 0) * (1 - weight) + (next[i] ?? 0) * weight;
  }
}
