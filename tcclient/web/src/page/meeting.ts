/** In the meeting: the line at the top, the stage, the panel beside it, the bar. And what is after a meeting. */

import { html, nothing, type TemplateResult } from "lit-html";
import { keyed } from "lit-html/directives/keyed.js";
import { repeat } from "lit-html/directives/repeat.js";

import type { Phase } from "../engine/meeting.js";
import { bar } from "./bar.js";
import { chat } from "./chat.js";
import { dialog } from "./dialogs.js";
import { sized, whenNew } from "./directives.js";
import { icon, type IconName } from "./icons.js";
import { arrange, pinnedKey, tilesOf, type Arrangement } from "./layout.js";
import { fullName } from "./participant.js";
import { people, speakersText } from "./people.js";
import { faultHelp, problemText, returningText } from "./problems.js";
import { tile } from "./tile.js";
import type { View } from "./view.js";

/** Return how the tiles are arranged now. */
export function arrangement({ state, page }: Pick<View, "state" | "page">): Arrangement {
  const { dataSaver, mode } = page.preferences;
  return arrange(tilesOf(state, dataSaver), page.stage, mode, pinnedKey(page.pinned, state), state.recentSpeakers);
}

/** Show the meeting. */
export function meeting(view: View): TemplateResult {
  const { page, act } = view;
  return html`
    <div class="meeting ${page.panel === "none" ? "" : "with-panel"}">
      ${top(view)} ${banners(view)} ${arrived(view)}
      <main
        class="stage"
        tabindex="-1"
        ${sized((size) => act.measure(size))}
        ${whenNew((element) => element.focus({ preventScroll: true }))}
      >
        ${stage(view, arrangement(view))}
      </main>
      ${panel(view)} ${bar(view)} ${dialog(view)}
    </div>
  `;
}

function top(view: View): TemplateResult {
  const { t, state, page, act } = view;
  const { room } = state;
  const recorders = state.participants
    .filter(({ role }) => role === "recorder")
    .map(fullName)
    .join(", ");
  const speaker = page.preferences.mode === "speaker";
  return html`
    <header class="top">
      <h1>${room?.title || room?.name || page.invitation.room}</h1>
      ${room?.e2ee === false ? html`<span class="chip">${icon("warning")}${t("top.not_encrypted")}</span>` : nothing}
      ${recorders === "" ? nothing : html`<span class="chip" title=${recorders}>${icon("record")}${t("top.recorder")}</span>`}
      ${room?.locked ? html`<span class="chip">${icon("lock")}${t("top.locked")}</span>` : nothing}
      <span class="speakers">${speakersText(view)}</span>
      <div class="top-buttons">
        ${topButton(speaker ? "grid" : "speaker_view", t(speaker ? "top.grid" : "top.speaker"), () => act.toggleMode())}
        ${
          page.can.pictureInPicture
            ? topButton("picture_in_picture", t("top.picture_in_picture"), () => act.togglePictureInPicture())
            : nothing
        }
        ${page.can.fullScreen ? topButton("full_screen", t("top.full_screen"), () => act.toggleFullScreen()) : nothing}
      </div>
    </header>
  `;
}

function topButton(drawing: IconName, name: string, press: () => void): TemplateResult {
  return html`
    <button type="button" class="icon-button" aria-label=${name} title=${name} @click=${press}>${icon(drawing)}</button>
  `;
}

function banners(view: View): TemplateResult {
  const { t, state } = view;
  const texts: string[] = [];
  if (state.phase.name === "returning") texts.push(returningText(t, state.phase));
  else if (state.me?.quality === 0) texts.push(t("banner.silent"));
  if (state.soundPaused) texts.push(t("banner.sound_paused"));
  if (state.room?.audioOnly) texts.push(t("banner.audio_only"));
  if (state.degraded !== "no") texts.push(t(`banner.${state.degraded}`));
  if (state.advice !== undefined) texts.push(t(`advice.${state.advice}`));
  for (const kind of ["microphone", "camera", "screen"] as const) {
    const { fault } = state[kind];
    if (fault !== undefined) texts.push(faultHelp(t, kind, fault));
  }
  if (state.microphoneNotice !== undefined) texts.push(t(`microphone.notice.${state.microphoneNotice}`));
  return html`
    <div class="banners" role="status">
      ${texts.map((text) => html`<p class="banner">${icon("warning")}<span>${text}</span></p>`)}
    </div>
  `;
}

/** Say to a screen reader whose text has come while the chat is closed: others see the number on its button. */
function arrived({ t, state, page }: View): TemplateResult {
  const last = state.chat.filter(({ own }) => !own).at(-1);
  const text =
    page.unread === 0 || last === undefined
      ? ""
      : t("chat.arrived", { count: page.unread, name: last.label || t("chat.notice") });
  return html`<p class="visually-hidden" role="status">${text}</p>`;
}

function stage(view: View, { large, largeSize, small, smallSize, strip, hidden }: Arrangement): TemplateResult {
  const { t, state } = view;
  return html`
    <div class="tiles strip-${strip}">
      ${
        large === undefined
          ? nothing
          : html`<ul class="large" role="list" aria-label=${t("stage.large")}>
              ${keyed(large.key, tile(view, large, largeSize))}
            </ul>`
      }
      <ul class="small" role="list" aria-label=${t("stage.tiles")}>
        ${repeat(
          small,
          ({ key }) => key,
          (one) => tile(view, one, smallSize),
        )}
      </ul>
    </div>
    ${state.participants.length === 0 ? html`<p class="alone">${t("stage.alone")}</p>` : nothing}
    ${hidden > 0 ? html`<p class="chip hidden-count">${t("stage.hidden", { count: hidden })}</p>` : nothing}
  `;
}

function panel(view: View): TemplateResult | typeof nothing {
  const { t, page, act } = view;
  if (page.panel === "none") return nothing;
  const title = t(page.panel === "chat" ? "bar.chat" : "bar.people");
  const content = page.panel === "chat" ? chat(view) : people(view);
  return html`${keyed(
    page.panel,
    html`
      <aside class="panel" aria-labelledby="panel-title" @keydown=${closeOnEscape(view)}>
        <header>
          <h2 id="panel-title" tabindex="-1" ${whenNew((element) => page.panel === "people" && element.focus())}>
            ${title}
          </h2>
          <button
            type="button"
            class="icon-button"
            aria-label=${t("dialog.dismiss")}
            title=${t("dialog.dismiss")}
            @click=${() => act.openPanel("none")}
          >
            ${icon("close")}
          </button>
        </header>
        ${content}
      </aside>
    `,
  )}`;
}

function closeOnEscape({ act }: View): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.key === "Escape") act.openPanel("none");
  };
}

/** Show what is after a meeting. */
export function ended(view: View, phase: Extract<Phase, { name: "ended" }>): TemplateResult {
  const { t, act } = view;
  const left = phase.reason.code === "left" || phase.reason.code === "leaving";
  return html`
    <main class="ended">
      <section class="card" aria-labelledby="ended-heading">
        <h1 id="ended-heading" tabindex="-1" ${whenNew((element) => element.focus())}>
          ${t(left ? "ended.left" : "ended.over")}
        </h1>
        ${left ? nothing : html`<p role="alert">${problemText(t, phase.reason)}</p>`}
        <button type="button" class="primary" @click=${() => act.startAgain()}>${t("ended.again")}</button>
      </section>
    </main>
  `;
}

/** Show the messages that go away by themselves. */
export function toasts({ t, page, act }: View): TemplateResult {
  return html`
    <div class="toasts" role="status" aria-live="polite">
      ${repeat(
        page.toasts,
        ({ id }) => id,
        (toast) => html`
          <div class="toast ${toast.tone}">
            <p>${toast.text}</p>
            ${
              toast.offer === undefined
                ? nothing
                : html`<button type="button" class="quiet" @click=${() => act.accept(toast)}>
                    ${t(toast.offer.label)}
                  </button>`
            }
            <button
              type="button"
              class="icon-button"
              aria-label=${t("dialog.dismiss")}
              title=${t("dialog.dismiss")}
              @click=${() => act.dismiss(toast)}
            >
              ${icon("close")}
            </button>
          </div>
        `,
      )}
    </div>
  `;
}
