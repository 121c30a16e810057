/** Parts of the page that draw by themselves: pictures, streams, levels; and what happens to new elements. */

import { html, noChange, type ElementPart, type TemplateResult } from "lit-html";
import { AsyncDirective } from "lit-html/async-directive.js";
import { directive, Directive } from "lit-html/directive.js";

import type { Meeting, ParticipantId } from "../engine/meeting.js";
import type { Size } from "./layout.js";

/** Shows the picture of a participant in an element as long as that is there. */
class PictureDirective extends AsyncDirective {
  #stop: (() => void) | undefined;
  #shown = "";
  #again: (() => void) | undefined;

  override render(_pictures: Pick<Meeting, "show">, _participant: ParticipantId, _source: "camera" | "screen") {
    return noChange;
  }

  override update(part: ElementPart, [pictures, participant, source]: Parameters<PictureDirective["render"]>) {
    const wanted = `${participant}:${source}`;
    if (wanted !== this.#shown) {
      this.#stop?.();
      this.#shown = wanted;
      this.#again = () => {
        this.#stop = pictures.show(participant, source, part.element as HTMLCanvasElement | HTMLVideoElement);
      };
      this.#again();
    }
    return noChange;
  }

  protected override disconnected(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  protected override reconnected(): void {
    this.#again?.();
  }
}

/** `<canvas ${picture(meeting, participant, source)}>`, or a `<video>` */
export const picture = directive(PictureDirective);

class StreamDirective extends Directive {
  override render(_stream: MediaStream | undefined) {
    return noChange;
  }

  override update(part: ElementPart, [stream]: Parameters<StreamDirective["render"]>) {
    const video = part.element as HTMLVideoElement;
    const wanted = stream ?? null;
    if (video.srcObject !== wanted) video.srcObject = wanted;
    return noChange;
  }
}

/** `<video ${stream(media)}>`: what a stream shows. */
export const stream = directive(StreamDirective);

class NewDirective extends Directive {
  #called = false;

  override render(_then: (element: HTMLElement) => void) {
    return noChange;
  }

  override update(part: ElementPart, [then]: Parameters<NewDirective["render"]>) {
    if (!this.#called) {
      this.#called = true;
      // The element is put into the page after its parts are set.
      queueMicrotask(() => then(part.element as HTMLElement));
    }
    return noChange;
  }
}

/** `<input ${whenNew((element) => element.focus())}>`: call a function once, when the element is in the page. */
export const whenNew = directive(NewDirective);

class SizedDirective extends AsyncDirective {
  #observer: ResizeObserver | undefined;

  override render(_changed: (size: Size) => void) {
    return noChange;
  }

  override update(part: ElementPart, [changed]: Parameters<SizedDirective["render"]>) {
    if (this.#observer === undefined) {
      this.#observer = new ResizeObserver(() => {
        const { clientWidth: width, clientHeight: height } = part.element;
        changed({ width, height });
      });
      this.#observer.observe(part.element);
    }
    return noChange;
  }

  protected override disconnected(): void {
    this.#observer?.disconnect();
    this.#observer = undefined;
  }
}

/** `<main ${sized((size) => …)}>`: call a function with the size of an element now and after each change. */
export const sized = directive(SizedDirective);

/** Frames of the screen between two measurements of a level: 20 a second are enough for the eye. */
const LEVEL_FRAMES = 3;
/** Quietest and loudest sound that the meter tells apart, in dB below full scale. */
const LEVEL_RANGE = [-60, -6] as const;

/** Measures the level of a stream and shows it on an element. */
class LevelDirective extends AsyncDirective {
  #stream: MediaStream | undefined;
  #end: (() => void) | undefined;
  #element: HTMLElement | undefined;

  override render(_stream: MediaStream | undefined) {
    return noChange;
  }

  override update(part: ElementPart, [stream]: Parameters<LevelDirective["render"]>) {
    this.#element = part.element as HTMLElement;
    if (stream !== this.#stream) {
      this.#end?.();
      this.#stream = stream;
      this.#end = stream === undefined ? undefined : measure(stream, this.#element);
    }
    return noChange;
  }

  protected override disconnected(): void {
    this.#end?.();
    this.#end = undefined;
    this.#stream = undefined;
  }
}

const level = directive(LevelDirective);

/** Show the level of a microphone; `name` is for screen readers. */
export function levelMeter(media: MediaStream | undefined, name: string): TemplateResult {
  return html`
    <div
      class="meter"
      role="meter"
      aria-label=${name}
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow="0"
      ${level(media)}
    >
      <div class="meter-bar"></div>
    </div>
  `;
}

function measure(media: MediaStream, element: HTMLElement): () => void {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  const source = context.createMediaStreamSource(media);
  source.connect(analyser);
  // A browser may keep the context silent until a key or a click.
  const resume = () => void context.resume();
  addEventListener("pointerdown", resume);
  addEventListener("keydown", resume);
  const samples = new Float32Array(analyser.fftSize);
  let frame = 0;
  let request = 0;
  const step = () => {
    request = requestAnimationFrame(step);
    if (frame++ % LEVEL_FRAMES !== 0) return;
    analyser.getFloatTimeDomainData(samples);
    showLevel(element, loudness(samples));
  };
  step();
  return () => {
    cancelAnimationFrame(request);
    removeEventListener("pointerdown", resume);
    removeEventListener("keydown", resume);
    source.disconnect();
    void context.close();
    showLevel(element, 0);
  };
}

/** Return the loudness of samples as a part of the range of the meter, from 0 to 1. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  const [quietest, loudest] = LEVEL_RANGE;
  return Math.min(1, Math.max(0, (decibels - quietest) / (loudest - quietest)));
}

function showLevel(element: HTMLElement, part: number): void {
  element.setAttribute("aria-valuenow", String(Math.round(part * 100)));
  element.style.setProperty("--level", String(part));
}
