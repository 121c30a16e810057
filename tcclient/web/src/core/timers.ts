/** One table of named deadlines with one minimum. */

/** The moment of a deadline that is not set. */
export const NEVER = Infinity;

type Action = (now: number) => void;

interface Deadline {
  readonly when: () => number;
  readonly action: Action;
  /** A part keeps this deadline itself; it is looked at again and again. */
  readonly isFollowed: boolean;
}

/**
 * Deadlines on the monotonic clock in seconds, each under a name.
 *
 * A deadline is `set` by its owner, and set again to move it. A part that keeps its own deadline is followed with `follow`.
 * A session has about a dozen, so that to look through all costs less than to keep them in order.
 */
export class Timers {
  readonly #deadlines = new Map<string, Deadline>();

  /** Call `action` with the time when `when` has come; `NEVER` cancels the deadline. */
  set(name: string, when: number, action: Action): void {
    if (when === NEVER) this.#deadlines.delete(name);
    else this.#deadlines.set(name, { when: () => when, action, isFollowed: false });
  }

  /**
   * Call `action` with the time when the moment that `when` returns has come, again and again.
   *
   * The action moves the deadline; `NEVER` means that nothing is due.
   */
  follow(name: string, when: () => number, action: Action): void {
    this.#deadlines.set(name, { when, action, isFollowed: true });
  }

  /** Forget the deadline, if there is one. */
  cancel(name: string): void {
    this.#deadlines.delete(name);
  }

  /** Forget all deadlines, except that of the name `but`. */
  cancelAll(but?: string): void {
    for (const name of this.#deadlines.keys()) {
      if (name !== but) this.#deadlines.delete(name);
    }
  }

  /** Return when a deadline is, `NEVER` if it is not set. */
  when(name: string): number {
    return this.#deadlines.get(name)?.when() ?? NEVER;
  }

  /** Return the earliest deadline, `NEVER` if none is set. */
  next(): number {
    let earliest = NEVER;
    for (const deadline of this.#deadlines.values()) earliest = Math.min(earliest, deadline.when());
    return earliest;
  }

  /** Call each action that is due once, the earliest first; what is due again at once waits for the next call. */
  run(now: number): void {
    const due = [...this.#deadlines]
      .map(([name, deadline]) => ({ name, when: deadline.when() }))
      .filter(({ when }) => when <= now)
      .sort((a, b) => a.when - b.when);
    for (const { name } of due) {
      const deadline = this.#deadlines.get(name);
      if (deadline === undefined || deadline.when() > now) continue; // an action before this one has put it off
      if (!deadline.isFollowed) this.#deadlines.delete(name);
      deadline.action(now);
    }
  }
}
