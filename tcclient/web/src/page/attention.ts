/** Whether anybody looks at the page. */

/** Milliseconds for which a page may be hidden until nobody counts as looking: a short look elsewhere costs nothing. */
export const GLANCE_MS = 5_000;

/** Knows whether a document is seen: in front, or hidden for a moment only. */
export class Attention {
  #isSeen = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `changed` is called when `isSeen` has changed. */
  constructor(
    private readonly document: Pick<Document, "hidden" | "addEventListener">,
    private readonly changed: () => void,
  ) {
    document.addEventListener("visibilitychange", () => this.#look());
    this.#look();
  }

  get isSeen(): boolean {
    return this.#isSeen;
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (this.document.hidden) this.#timer = setTimeout(() => this.#set(false), GLANCE_MS);
    else this.#set(true);
  }

  #set(isSeen: boolean): void {
    if (isSeen === this.#isSeen) return;
    this.#isSeen = isSeen;
    this.changed();
  }
}
