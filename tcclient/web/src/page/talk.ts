/** Hold the space bar to talk. */

/** Elements that need the space bar for themselves. */
const USERS_OF_SPACE = "input, textarea, select, button, summary, a[href], [contenteditable], [role=log]";

/**
 * Open the microphone while the space bar is held, where nothing else needs it. `mayTalk` tells whether we are muted
 * and could talk; `talk` opens and mutes the microphone.
 */
export function talkWithSpace(mayTalk: () => boolean, talk: (on: boolean) => void): void {
  let talking = false;
  const end = () => {
    if (!talking) return;
    talking = false;
    talk(false);
  };
  addEventListener("keydown", (event) => {
    if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey) return;
    if ((event.target as Element | null)?.closest?.(USERS_OF_SPACE)) return;
    const starts = !event.repeat && mayTalk();
    // Else the browser scrolls the page.
    if (talking || starts) event.preventDefault();
    if (talking || !starts) return;
    talking = true;
    talk(true);
  });
  addEventListener("keyup", (event) => event.code === "Space" && end());
  // A key that is released in another window is not heard of here.
  addEventListener("blur", end);
}
