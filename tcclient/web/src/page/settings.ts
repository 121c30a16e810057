/** Devices, language, what is received; and the other dialogs. */

import { html, nothing, type TemplateResult } from "lit-html";

import { LANGUAGES, type Key, type Language } from "./language.js";
import type { ReceivedHeight } from "./preferences.js";
import type { DeviceKind, View } from "./view.js";

const HEIGHTS: readonly ReceivedHeight[] = [180, 360, 720];

/** Show the choice of a device; nothing where the browser cannot choose one. */
export function devicePicker({ t, page, act }: View, kind: DeviceKind): TemplateResult | typeof nothing {
  if (kind === "speaker" && !page.can.chooseSpeaker) return nothing;
  const devices = page.devices[kind];
  const chosen = page.preferences[kind];
  const known = devices.some(({ id }) => id === chosen);
  return html`
    <div class="field">
      <label for=${`device-${kind}`}>${t(`device.${kind}`)}</label>
      <select
        id=${`device-${kind}`}
        @change=${(event: Event) => act.chooseDevice(kind, (event.target as HTMLSelectElement).value)}
      >
        <option value="" .selected=${!known}>${t("device.default")}</option>
        ${devices.map(
          ({ id, label }, index) => html`
            <option value=${id} .selected=${id === chosen}>
              ${label || t("device.unnamed", { number: index + 1 })}
            </option>
          `,
        )}
      </select>
    </div>
  `;
}

/** Show the choice of the language. */
export function languagePicker({ t, language, act }: View, style: "field" | "inline-field"): TemplateResult {
  return html`
    <div class=${style}>
      <label for="language">${t("settings.language")}</label>
      <select
        id="language"
        @change=${(event: Event) => act.speakLanguage((event.target as HTMLSelectElement).value as Language)}
      >
        ${Object.entries(LANGUAGES).map(
          ([code, name]) => html`<option value=${code} lang=${code} .selected=${code === language}>${name}</option>`,
        )}
      </select>
    </div>
  `;
}

/** Show the settings. */
export function settings(view: View): TemplateResult {
  const { t, page, act } = view;
  const { dataSaver, receivedHeight } = page.preferences;
  return html`
    <div class="fields">
      ${devicePicker(view, "microphone")} ${devicePicker(view, "camera")} ${devicePicker(view, "speaker")}
      ${languagePicker(view, "field")}
      <div class="field">
        <label for="received">${t("settings.received")}</label>
        <select
          id="received"
          ?disabled=${dataSaver}
          @change=${(event: Event) =>
            act.prefer({ receivedHeight: Number((event.target as HTMLSelectElement).value) as ReceivedHeight })}
        >
          ${HEIGHTS.map(
            (lines) => html`
              <option value=${lines} .selected=${lines === receivedHeight}>${t(`settings.height_${lines}`)}</option>
            `,
          )}
        </select>
      </div>
      <label class="check">
        <input
          type="checkbox"
          .checked=${dataSaver}
          aria-describedby="saver-hint"
          @change=${(event: Event) => act.prefer({ dataSaver: (event.target as HTMLInputElement).checked })}
        />
        <span>${t("settings.data_saver")}</span>
      </label>
      <p class="hint" id="saver-hint">${t("settings.data_saver_hint")}</p>
    </div>
    ${statistics(view)}
    <div class="buttons">
      <button type="button" class="quiet" @click=${() => act.testSound()}>${t("lobby.test_sound")}</button>
      <button type="button" class="quiet" @click=${() => act.openDialog({ name: "password" })}>
        ${t("settings.change_password")}
      </button>
    </div>
  `;
}

function statistics({ t, language, state }: View): TemplateResult | typeof nothing {
  const { statistics: all } = state;
  if (all === undefined) return nothing;
  const kilobits = (bits: number) => t("settings.kilobits", { count: Math.round(bits / 1000) });
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
  const megabytes = (bytes: number) => (bytes / 1e6).toLocaleString(language, { maximumFractionDigits: 1 });
  const rows: readonly (readonly [Key, string])[] = [
    ["settings.round_trip", t("settings.milliseconds", { count: Math.round(all.roundTripMs) })],
    ["settings.sent", `${kilobits(all.sentBitsPerSecond)}, ${t("settings.lost", { part: percent(all.lossUp) })}`],
    ["settings.got", `${kilobits(all.receivedBitsPerSecond)}, ${t("settings.lost", { part: percent(all.lossDown) })}`],
    [
      "settings.data",
      t("settings.megabytes", { sent: megabytes(all.sentBytes), received: megabytes(all.receivedBytes) }),
    ],
  ];
  return html`
    <h3>${t("settings.connection")}</h3>
    <dl class="figures">
      ${rows.map(
        ([name, value]) =>
          html`<div>
            <dt>${t(name)}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  `;
}
