/** Texts to everybody and to one participant. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { repeat } from "lit-html/directives/repeat.js";

import type { ChatLine } from "../engine/meeting.js";
import { whenNew } from "./directives.js";
import { icon } from "./icons.js";
import type { Language } from "./language.js";
import { textParts, type TextPart } from "./links.js";
import { fullName } from "./participant.js";
import type { View } from "./view.js";

/** The most characters of a text (PROTOCOL.md, `chat`). The field counts UTF-16, which is never less. */
const MAX_TYPED = 2000;

/** Unix ms of the last moment that a `Date` can hold (ECMA-262, section 21.4.1.1). What others say may be later. */
const LAST_MOMENT = 8.64e15;

/** Return when a text was written, Unix ms by the clock of whoever wrote it: for machines, and as people read it. */
export function moment(at: number, language: Language): { readonly iso: string; readonly shown: string } {
  const date = new Date(Math.min(at, LAST_MOMENT));
  const shown = date.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return { iso: date.toISOString(), shown };
}

/** Count the texts of others after the one that was seen last. */
export function countUnread(chat: readonly ChatLine[], lastSeen: string): number {
  const seen = chat.findIndex(({ id }) => id === lastSeen);
  return chat.slice(seen + 1).filter(({ own }) => !own).length;
}

/** Show the texts and the field for another. */
export function chat(view: View): TemplateResult {
  const { t, state } = view;
  return html`
    <div class="lines" role="log" tabindex="0" aria-label=${t("chat.lines")} ${whenNew(toTheEnd)}>
      ${state.chat.length === 0 ? html`<p class="hint">${t("chat.empty")}</p>` : nothing}
      ${repeat(
        state.chat,
        ({ id }) => id,
        (one) => line(view, one),
      )}
    </div>
    ${state.me?.mayWrite ? writing(view) : html`<p class="hint pad">${t("chat.read_only")}</p>`}
  `;
}

/** Keep the latest text in sight, unless the person has scrolled up. */
function toTheEnd(lines: HTMLElement): void {
  lines.scrollTop = lines.scrollHeight;
  let last = true;
  lines.addEventListener("scroll", () => {
    last = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  });
  new MutationObserver(() => {
    if (last) lines.scrollTop = lines.scrollHeight;
  }).observe(lines, { childList: true, subtree: true });
}

/** Show a text. A long chat is not made anew whenever somebody speaks. */
function line(view: View, one: ChatLine) {
  const to = one.to === undefined ? undefined : view.state.participants.find(({ id }) => id === one.to)?.name;
  return guard([one, to, view.language], () => written(view, one, to ?? "?"));
}

function written({ t, language }: View, one: ChatLine, to: string): TemplateResult {
  const secret = one.to !== undefined;
  const about = secret && one.own ? t("chat.private_to", { name: to }) : secret ? t("chat.private") : "";
  const { iso, shown } = moment(one.at, language);
  return html`
    <article class="line ${one.own ? "own" : ""} ${secret ? "private" : ""} ${one.from === undefined ? "notice" : ""}">
      <header>
        <strong>${one.own ? t("chat.you") : one.from === undefined ? t("chat.notice") : one.label}</strong>
        ${about === "" ? nothing : html`<em>${about}</em>`}
        <time datetime=${iso}>${shown}</time>
      </header>
      <p>${textParts(one.text).map(part)}</p>
      ${one.state === "failed" ? html`<p class="failed">${icon("warning")}${t("chat.failed")}</p>` : nothing}
    </article>
  `;
}

/** The page of the meeting stays, and the other page does not learn of it. */
const part = ({ text, href }: TextPart) =>
  href === undefined ? text : html`<a href=${href} target="_blank" rel="noopener noreferrer">${text}</a>`;

function writing({ t, state, page, act }: View): TemplateResult {
  const send = (field: HTMLTextAreaElement) => {
    const text = field.value.trim();
    if (text === "") return;
    field.value = "";
    act.send(text);
  };
  const field = (event: Event) =>
    (event.currentTarget as HTMLElement).closest("form")?.elements.namedItem("text") as HTMLTextAreaElement;
  const typed = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send(field(event));
  };
  const choose = (event: Event) => {
    const { value } = event.target as HTMLSelectElement;
    act.writeTo(value === "" ? undefined : Number(value));
  };
  return html`
    <form
      class="writing"
      @submit=${(event: Event) => {
        event.preventDefault();
        send(field(event));
      }}
    >
      <div class="inline-field">
        <label for="receiver">${t("chat.to")}</label>
        <select id="receiver" @change=${choose}>
          <option value="" .selected=${page.receiver === undefined}>${t("chat.everybody")}</option>
          ${
            page.receiver === undefined || state.participants.some(({ id }) => id === page.receiver)
              ? nothing
              : html`<option value=${page.receiver} .selected=${true}>${t("chat.gone")}</option>`
          }
          ${state.participants.map(
            (one) => html`<option value=${one.id} .selected=${one.id === page.receiver}>${fullName(one)}</option>`,
          )}
        </select>
      </div>
      <div class="writing-line">
        <textarea
          name="text"
          rows="2"
          maxlength=${MAX_TYPED}
          aria-label=${t("chat.message")}
          placeholder=${t(page.receiver === undefined ? "chat.message" : "chat.private_message")}
          @keydown=${typed}
          ${whenNew((element) => element.focus())}
        ></textarea>
        <button class="icon-button filled" aria-label=${t("chat.send")} title=${t("chat.send")}>${icon("send")}</button>
      </div>
    </form>
  `;
}
