/** The question of the browser before the page is left by its own buttons, such as Back and Reload. */

/** Asks while it is wanted: who leaves the page leaves the meeting. */
export class DepartureQuestion {
  #wanted = false;

  want(wanted: boolean): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    // A page that always listens is not kept by browsers for the way back.
    if (wanted) addEventListener("beforeunload", ask);
    else removeEventListener("beforeunload", ask);
  }
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
  // Chromium before version 119 goes by this alone.
  event.returnValue = true;
}
