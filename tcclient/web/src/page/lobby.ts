/** Before the meeting: who enters, with which devices. */

import { html, nothing, type TemplateResult } from "lit-html";

import type { OwnSource } from "../engine/meeting.js";
import { levelMeter, stream } from "./directives.js";
import { icon } from "./icons.js";
import { faultHelp, problemText } from "./problems.js";
import { devicePicker, languagePicker } from "./settings.js";
import type { View } from "./view.js";

/** Show what is before the meeting. */
export function lobby(view: View): TemplateResult {
  const { t, page } = view;
  const { room } = page.invitation;
  return html`
    <main class="lobby">
      <header class="lobby-head">
        <h1>${room === "" ? t("lobby.heading") : t("lobby.heading_room", { room })}</h1>
        ${languagePicker(view, "inline-field")}
      </header>
      ${page.missing.length > 0 ? unsupported(view) : nothing}
      ${page.invitation.unknown.length > 0 ? unknownWords(view) : nothing}
      <div class="lobby-columns">
        <div class="lobby-entry">${form(view)} ${page.preferences.noticeRead ? nothing : notice(view)}</div>
        ${devices(view)}
      </div>
    </main>
  `;
}

function unsupported({ t, page }: View): TemplateResult {
  const insecure = page.missing.includes("secure_context");
  return html`
    <div class="callout danger" role="alert">
      ${icon("warning")}
      <p>${insecure ? t("help.secure_context") : t("help.unsupported")}</p>
    </div>
  `;
}

/** The link asks for something that this page does not know: the person decides whether to go on without it. */
function unknownWords({ t, page }: View): TemplateResult {
  return html`
    <div class="callout" role="status">
      ${icon("warning")}
      <p>${t("lobby.unknown_words", { words: page.invitation.unknown.join(", ") })}</p>
    </div>
  `;
}

function devices(view: View): TemplateResult {
  const { t, state, page, act } = view;
  const { camera, microphone } = state;
  const seen = camera.stream !== undefined;
  return html`
    <section class="card devices" aria-label=${t("lobby.devices")}>
      <div class="preview">
        ${
          seen
            ? html`<video
                class="mirrored"
                autoplay
                muted
                playsinline
                aria-label=${t("lobby.preview")}
                ${stream(camera.stream)}
              ></video>`
            : html`<p>${t(camera.state === "starting" ? "lobby.camera_starts" : "lobby.camera_off")}</p>`
        }
        <div class="preview-buttons">${toggle(view, "microphone", microphone)} ${toggle(view, "camera", camera)}</div>
      </div>
      <div class="level">${icon("microphone")}${levelMeter(microphone.stream, t("lobby.level"))}</div>
      ${fault(view, "microphone", microphone)} ${fault(view, "camera", camera)}
      <div class="fields">
        ${devicePicker(view, "microphone")} ${devicePicker(view, "camera")} ${devicePicker(view, "speaker")}
      </div>
      <button type="button" class="quiet" ?disabled=${page.testingSound} @click=${() => act.testSound()}>
        ${icon("volume")}${t("lobby.test_sound")}
      </button>
      <p class="hint">${t("lobby.listening")}</p>
    </section>
  `;
}

function toggle({ t, act }: View, kind: "microphone" | "camera", source: OwnSource): TemplateResult {
  const on = source.state === "on" || source.state === "starting";
  const names = { microphone: ["bar.mute", "bar.unmute"], camera: ["bar.stop_camera", "bar.start_camera"] } as const;
  const name = t(names[kind][on ? 0 : 1]);
  return html`
    <button
      type="button"
      class="round ${on ? "" : "off"}"
      aria-label=${name}
      title=${name}
      @click=${() => (kind === "microphone" ? act.toggleMicrophone() : act.toggleCamera())}
    >
      ${icon(on ? kind : `${kind}_off`)}
    </button>
  `;
}

function fault({ t }: View, kind: "microphone" | "camera", source: OwnSource): TemplateResult | typeof nothing {
  if (source.fault === undefined) return nothing;
  return html`<div class="callout" role="status">
    ${icon("warning")}
    <p>${faultHelp(t, kind, source.fault)}</p>
  </div>`;
}

function form(view: View): TemplateResult {
  const { t, page, state, act } = view;
  const { account, name } = page.preferences;
  const joining = state.phase.name === "joining";
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const text = (field: string) => String(data.get(field) ?? "");
    act.join({
      account: text("account").trim(),
      password: text("password"),
      name: text("name").trim(),
      room: page.invitation.room || text("room").trim(),
    });
  };
  return html`
    <form class="card" @submit=${submit} aria-label=${t("lobby.form")}>
      ${
        page.problem === undefined
          ? nothing
          : html`<div class="callout danger" role="alert">
              ${icon("warning")}
              <p>${problemText(t, page.problem)}</p>
            </div>`
      }
      ${
        page.invitation.room === ""
          ? html`<label class="field"
              ><span>${t("lobby.room")}</span>
              <input name="room" required maxlength="64" autocapitalize="none" autocomplete="off"
            /></label>`
          : nothing
      }
      <label class="field">
        <span>${t("lobby.user_name")}</span>
        <input
          name="account"
          .defaultValue=${account}
          required
          maxlength="32"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
        />
      </label>
      <label class="field">
        <span>${t("lobby.password")}</span>
        <input name="password" type="password" required maxlength="1024" autocomplete="current-password" />
      </label>
      <div class="field">
        <label class="field">
          <span>${t("lobby.your_name")}</span>
          <input
            name="name"
            .defaultValue=${name}
            required
            maxlength="64"
            autocomplete="name"
            aria-describedby="name-hint"
          />
        </label>
        <p class="hint" id="name-hint">${t("lobby.your_name_hint")}</p>
      </div>
      ${page.invitation.e2ee ? nothing : consent(view)}
      <button class="primary" ?disabled=${joining || page.missing.length > 0}>
        ${t(joining ? "lobby.joining" : "lobby.join")}
      </button>
      ${page.invitation.e2ee ? html`<p class="hint">${icon("lock")}${t("lobby.encrypted")}</p>` : nothing}
    </form>
  `;
}

/** The link says that the room is not end-to-end encrypted: who joins has to agree first. */
function consent({ t }: View): TemplateResult {
  return html`
    <label class="check callout danger">
      <input type="checkbox" required />
      <span>${t("lobby.not_encrypted")}</span>
    </label>
  `;
}

function notice({ t, act }: View): TemplateResult {
  return html`
    <aside class="callout" aria-label=${t("lobby.notice_label")}>
      ${icon("info")}
      <p>${t("lobby.notice")}</p>
      <button type="button" class="quiet" @click=${() => act.readNotice()}>${t("lobby.notice_read")}</button>
    </aside>
  `;
}
