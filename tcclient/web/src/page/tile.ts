/** One tile: a picture or initials, with the name and how it is with the participant. */

import { html, nothing, type TemplateResult } from "lit-html";
import { classMap } from "lit-html/directives/class-map.js";
import { keyed } from "lit-html/directives/keyed.js";

import { picture, stream } from "./directives.js";
import { icon } from "./icons.js";
import { isStopped, pinnedKey, type Size, type Tile } from "./layout.js";
import { colourOf, initials } from "./participant.js";
import type { View } from "./view.js";

/** Show a tile in a size. */
export function tile(view: View, shown: Tile, { width, height }: Size): TemplateResult {
  const { t, page, act } = view;
  const { participant, source, own } = shown;
  const pinned = pinnedKey(page.pinned, view.state) === shown.key;
  const name = own ? t("tile.you", { name: participant.name }) : participant.name;
  const pin = t(pinned ? "tile.unpin" : "tile.pin", { name });
  const classes = {
    tile: true,
    speaking: participant.speaking && source === "camera",
    compact: width < 220,
  };
  return html`
    <li class=${classMap(classes)} .style=${`width:${width}px;height:${height}px`}>
      ${keyed(shown.key, content(view, shown))} ${limitText(view, shown)}
      <div class="caption">
        ${source === "screen" ? icon("screen") : microphoneState(view, shown)}
        <span class="who">
          <strong>${source === "screen" ? t("tile.screen", { name }) : name}</strong>
          ${participant.agency === "" ? nothing : html`<span class="agency">${participant.agency}</span>`}
        </span>
        ${source === "screen" ? nothing : trust(view, shown)} ${own ? nothing : bars(view, shown)}
      </div>
      ${
        participant.hand > 0 && source === "camera"
          ? html`<span class="badge hand" title=${t("tile.hand")}>
              ${icon("hand")}<span class="visually-hidden">${t("tile.hand")}</span>
            </span>`
          : nothing
      }
      <button
        type="button"
        class="icon-button pin"
        aria-label=${pin}
        title=${pin}
        aria-pressed=${pinned}
        @click=${() => act.togglePin(shown)}
      >
        ${icon("pin")}
      </button>
    </li>
  `;
}

function content(view: View, { participant, source, own, picture: seen, limit }: Tile): TemplateResult {
  if (!seen || isStopped(limit)) {
    return html`<div class="initials colour-${colourOf(participant.account + participant.name)}" aria-hidden="true">
      <span>${initials(participant.name)}</span>
    </div>`;
  }
  if (own) {
    return html`<video
      class="mirrored"
      autoplay
      muted
      playsinline
      aria-hidden="true"
      ${stream(view.state.camera.stream)}
    ></video>`;
  }
  const shown = picture(view.pictures, participant.id, source);
  return view.page.can.videoPictures
    ? html`<video class="picture ${source}" autoplay muted playsinline aria-hidden="true" ${shown}></video>`
    : html`<canvas class="picture ${source}" aria-hidden="true" ${shown}></canvas>`;
}

function limitText({ t }: View, { limit }: Tile): TemplateResult | typeof nothing {
  if (limit === undefined) return nothing;
  return html`<p class="limit">${t(`limit.${limit}`)}</p>`;
}

function microphoneState({ t }: View, { participant }: Tile): TemplateResult {
  if (participant.microphone === "live") return html`<span class="live">${icon("microphone")}</span>`;
  const text = t(`microphone.${participant.microphone}`);
  return html`<span class="muted" title=${text}>
    ${icon("microphone_off")}<span class="visually-hidden">${text}</span>
  </span>`;
}

function trust({ t }: View, { participant }: Tile): TemplateResult | typeof nothing {
  if (participant.trust === "verified") return nothing;
  const text = t(`trust.${participant.trust}`);
  return html`<span class="doubt" title=${text}>${icon("warning")}<span class="visually-hidden">${text}</span></span>`;
}

function bars({ t }: View, { participant }: Tile): TemplateResult {
  const text = t(`quality.${participant.quality}`);
  return html`<span class="bars quality-${participant.quality}" role="img" aria-label=${text} title=${text}>
    <i></i><i></i><i></i>
  </span>`;
}
