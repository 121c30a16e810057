/** Texts to everybody and to one participant. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import type { ChatLine } from "../engine/meeting.js";
import { whenNew } from "./directives.js";
import { icon } from "./icons.js";
import { fullName } from "./participant.js";
import type { View } from "./view.js";

/** The most characters of a text (PROTOCOL.md, `chat`). The field counts UTF-16, which is never less. */
const MAX_TYPED = 2000;

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

function line({ t, language, state }: View, one: ChatLine): TemplateResult {
  const to = state.participants.find(({ id }) => id === one.to);
  const secret = one.to !== undefined;
  const about = secret && one.own ? t("chat.private_to", { name: to?.name ?? "?" }) : secret ? t("chat.private") : "";
  const time = new Date(one.at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return html`
    <article class="line ${one.own ? "own" : ""} ${secret ? "private" : ""} ${one.from === undefined ? "notice" : ""}">
      <header>
        <strong>${one.own ? t("chat.you") : one.from === undefined ? t("chat.notice") : one.label}</strong>
        ${about === "" ? nothing : html`<em>${about}</em>`}
        <time datetime=${new Date(one.at).toISOString()}>${time}</time>
      </header>
      <p>${one.text}</p>
      ${one.state === "failed" ? html`<p class="failed">${icon("warning")}${t("chat.failed")}</p>` : nothing}
    </article>
  `;
}

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
