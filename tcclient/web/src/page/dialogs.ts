/** What is asked in the middle of a meeting, in a window of its own. */

import { html, nothing, type TemplateResult } from "lit-html";
import { keyed } from "lit-html/directives/keyed.js";

import type { Problem } from "../engine/meeting.js";
import { whenNew } from "./directives.js";
import { icon } from "./icons.js";
import type { Translate } from "./language.js";
import { fullName } from "./participant.js";
import { problemText } from "./problems.js";
import { settings } from "./settings.js";
import type { View } from "./view.js";

/** Show the dialog that is open. */
export function dialog(view: View): TemplateResult | typeof nothing {
  const { page, state, t } = view;
  const open = page.dialog;
  switch (open?.name) {
    case undefined:
      return nothing;
    case "settings":
      return frame(view, "settings", t("bar.settings"), settings(view));
    case "password":
      return frame(view, "password", t("settings.change_password"), password(view));
    case "room":
      return frame(view, "room", t("people.room"), room(view));
    case "remove": {
      const person = state.participants.find(({ id }) => id === open.participant);
      if (person === undefined) return nothing;
      return confirm(view, "dialog.remove", { name: fullName(person) }, () => view.act.remove(open.participant));
    }
    case "close":
      return open.step === 1
        ? confirm(view, "dialog.close", {}, () => view.act.openDialog({ name: "close", step: 2 }))
        : confirm(view, "dialog.close_again", { count: state.participants.length + 1 }, () => view.act.closeRoom());
  }
}

const show = whenNew((element) => (element as HTMLDialogElement).showModal());

/** The frame of a dialog. Another `key` is another element, which opens and takes the focus. */
function frame({ t, page, act }: View, key: string, title: string, content: TemplateResult): TemplateResult {
  const element = html`
    <dialog aria-labelledby="dialog-title" @close=${() => act.closeDialog()} ${show}>
      <header>
        <h2 id="dialog-title">${title}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${t("dialog.dismiss")}
          title=${t("dialog.dismiss")}
          @click=${() => act.closeDialog()}
        >
          ${icon("close")}
        </button>
      </header>
      ${
        page.problem === undefined
          ? nothing
          : html`<p class="callout danger" role="alert">
              ${key === "password" ? passwordProblem(t, page.problem) : problemText(t, page.problem)}
            </p>`
      }
      ${content}
    </dialog>
  `;
  return html`${keyed(key, element)}`;
}

/** Say why a password was not changed: whoever is in the meeting has a user name that is right. */
const passwordProblem = (t: Translate, problem: Problem): string =>
  problem.code === "bad_credentials" ? t("password.wrong") : problemText(t, problem);

function password(view: View): TemplateResult {
  const { t, page, act } = view;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    act.changePassword(String(data.get("current") ?? ""), String(data.get("next") ?? ""));
  };
  return html`
    <form class="fields" @submit=${submit}>
      <input
        class="visually-hidden"
        autocomplete="username"
        tabindex="-1"
        aria-hidden="true"
        .value=${page.preferences.account}
        readonly
      />
      <label class="field">
        <span>${t("password.current")}</span>
        <input name="current" type="password" required maxlength="1024" autocomplete="current-password" />
      </label>
      <label class="field">
        <span>${t("password.next")}</span>
        <input name="next" type="password" required minlength="8" maxlength="1024" autocomplete="new-password" />
      </label>
      <p class="hint">${t("password.hint")}</p>
      <div class="buttons"><button class="primary">${t("settings.change_password")}</button></div>
    </form>
  `;
}

function room({ t, state, act }: View): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const title = String(data.get("title") ?? "").trim();
    const changes = { limit: Number(data.get("limit")), locked: data.has("locked"), audioOnly: data.has("audio_only") };
    act.setRoom(title === "" ? changes : { ...changes, title });
  };
  return html`
    <form class="fields" @submit=${submit}>
      <label class="field">
        <span>${t("room.title")}</span>
        <input name="title" maxlength="64" .defaultValue=${state.room?.title ?? ""} />
      </label>
      <label class="field">
        <span>${t("room.limit")}</span>
        <input
          name="limit"
          type="number"
          min="1"
          max="65535"
          required
          .defaultValue=${String(state.room?.limit ?? "")}
        />
      </label>
      <label class="check">
        <input name="locked" type="checkbox" .defaultChecked=${state.room?.locked ?? false} />
        <span>${t("room.locked")}</span>
      </label>
      <label class="check">
        <input name="audio_only" type="checkbox" .defaultChecked=${state.room?.audioOnly ?? false} />
        <span>${t("room.audio_only")}</span>
      </label>
      <div class="buttons"><button class="primary">${t("room.save")}</button></div>
    </form>
    <div class="buttons">
      <button type="button" class="danger" @click=${() => act.openDialog({ name: "close", step: 1 })}>
        ${t("people.close_meeting")}
      </button>
    </div>
  `;
}

type Question = "dialog.remove" | "dialog.close" | "dialog.close_again";

function confirm(
  view: View,
  question: Question,
  values: Readonly<Record<string, string | number>>,
  then: () => void,
): TemplateResult {
  const { t, act } = view;
  return frame(
    view,
    question,
    t(`${question}.title`, values),
    html`
      <p>${t(`${question}.text`, values)}</p>
      <div class="buttons">
        <button type="button" class="quiet" autofocus @click=${() => act.closeDialog()}>${t("dialog.cancel")}</button>
        <button type="button" class="danger" @click=${then}>${t(`${question}.yes`, values)}</button>
      </div>
    `,
  );
}
