/** Who is in the room, whether that can be believed, and what a chair can do. */

import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "lit-html/directives/live.js";
import { repeat } from "lit-html/directives/repeat.js";

import type { Participant } from "../engine/meeting.js";
import type { Role } from "../protocol/messages.js";
import { icon } from "./icons.js";
import type { Key } from "./language.js";
import { pinnedKey, tileKey } from "./layout.js";
import { colourOf, fullName, GIVEN_ROLES, handsFirst, initials } from "./participant.js";
import type { View } from "./view.js";

/** Show the participants. */
export function people(view: View): TemplateResult {
  const { t, state, act } = view;
  const { me, participants } = state;
  const everybody = handsFirst(me === undefined ? participants : [me, ...participants]);
  return html`
    <div class="panel-body">
      ${
        me?.mayLead
          ? html`<div class="chair-tools">
              <button type="button" class="quiet" @click=${() => act.hold("microphone")}>
                ${t("people.mute_all")}
              </button>
              <button type="button" class="quiet" @click=${() => act.release("microphone")}>
                ${t("people.release_all")}
              </button>
              <button type="button" class="quiet" @click=${() => act.openDialog({ name: "room" })}>
                ${t("people.room")}
              </button>
              <button type="button" class="quiet" @click=${() => act.lowerAllHands()}>
                ${t("people.lower_hands")}
              </button>
              <button type="button" class="quiet" ?disabled=${!everybody[0]?.hand} @click=${() => act.callNext()}>
                ${t("people.call_next")}
              </button>
            </div>`
          : nothing
      }
      <ul class="people" role="list" aria-label=${t("bar.people")}>
        ${repeat(
          everybody,
          ({ id }) => id,
          (one, index) => person(view, one, index + 1),
        )}
      </ul>
      ${safety(view)}
    </div>
  `;
}

/** `place` is that in the list, which begins with the raised hands in their order. */
function person(view: View, one: Participant, place: number): TemplateResult {
  const { t, state, page, act } = view;
  const own = one.id === state.me?.id;
  const open = page.menu === one.id;
  const actions = t("people.actions", { name: one.name });
  return html`
    <li class="person">
      <div class="person-line">
        <span class="avatar colour-${colourOf(one.account + one.name)}" aria-hidden="true">${initials(one.name)}</span>
        <span class="who">
          <strong>${own ? t("tile.you", { name: one.name }) : one.name}</strong>
          <span class="agency">${[one.agency, t(`role.${one.role}`)].filter((part) => part !== "").join(" · ")}</span>
          ${
            own
              ? nothing
              : html`<span class="trust ${one.trust}">
                  ${icon(one.trust === "verified" ? "verified" : "warning")}${t(`trust.${one.trust}`)}
                </span>`
          }
        </span>
        ${
          one.hand > 0
            ? html`<span class="hand" title=${t("people.hand", { place })}>
                ${icon("hand")}<span aria-hidden="true">${place}</span>
                <span class="visually-hidden">${t("people.hand", { place })}</span>
              </span>`
            : nothing
        }
        <span title=${t(`microphone.${one.microphone}`)}>
          ${icon(one.microphone === "live" ? "microphone" : "microphone_off")}
          <span class="visually-hidden">${t(`microphone.${one.microphone}`)}</span>
        </span>
        ${
          own
            ? nothing
            : html`<button
                type="button"
                class="icon-button"
                aria-label=${actions}
                title=${actions}
                aria-expanded=${open}
                @click=${() => act.openMenu(open ? undefined : one.id)}
              >
                ${icon("more")}
              </button>`
        }
      </div>
      ${open && !own ? menu(view, one) : nothing}
    </li>
  `;
}

function menu(view: View, one: Participant): TemplateResult {
  const { t, state, page, act } = view;
  const pinned = pinnedKey(page.pinned, state) === tileKey(one.id, "camera");
  const { name } = one;
  return html`
    <div class="person-menu" role="group" aria-label=${t("people.actions", { name })}>
      <label class="field">
        <span>${t("people.volume", { name })}</span>
        <input
          type="range"
          min="0"
          max="2"
          step="0.05"
          .value=${String(one.volume)}
          @input=${(event: Event) => act.setVolume(one.id, Number((event.target as HTMLInputElement).value))}
        />
      </label>
      <div class="buttons">
        ${
          state.me?.mayWrite
            ? html`<button type="button" class="quiet" @click=${() => act.writeTo(one.id)}>
                ${t("people.write_to")}
              </button>`
            : nothing
        }
        <button type="button" class="quiet" @click=${() => act.togglePin({ participant: one, source: "camera" })}>
          ${t(pinned ? "people.unpin" : "people.pin")}
        </button>
      </div>
      ${state.me?.mayLead ? chairing(view, one) : nothing}
    </div>
  `;
}

function chairing(view: View, one: Participant): TemplateResult {
  const { t, act } = view;
  const roles: readonly Role[] = one.role === "admin" ? ["admin", ...GIVEN_ROLES] : GIVEN_ROLES;
  return html`
    <div class="field">
      <label for="role">${t("people.role", { name: one.name })}</label>
      <select
        id="role"
        @change=${(event: Event) => act.setRole(one.id, (event.target as HTMLSelectElement).value as Role)}
      >
        ${roles.map((role) => html`<option value=${role} .selected=${live(role === one.role)}>${t(`role.${role}`)}</option>`)}
      </select>
    </div>
    <div class="buttons">
      ${orders(view, one).map(
        ({ name, press, disabled = false }) =>
          html`<button type="button" class="quiet" ?disabled=${disabled} @click=${press}>${t(name)}</button>`,
      )}
      <button type="button" class="danger" @click=${() => act.openDialog({ name: "remove", participant: one.id })}>
        ${t("people.remove")}
      </button>
    </div>
  `;
}

interface Order {
  readonly name: Key;
  readonly press: () => void;
  readonly disabled?: boolean;
}

/** What a chair can do with the microphone, the pictures and the hand of somebody. */
function orders({ state, act }: View, { id, microphone, camera, cameraStopped, screen, hand }: Participant): Order[] {
  const live = microphone === "live";
  const all = state.room?.audioOnly ?? false;
  return [
    {
      name: live ? "people.ask_to_mute" : "people.ask_to_unmute",
      press: () => act.ask(id, "microphone", !live),
      disabled: microphone === "none" || microphone === "held",
    },
    microphone === "held"
      ? { name: "people.release", press: () => act.release("microphone", id) }
      : { name: "people.mute_now", press: () => act.hold("microphone", id), disabled: !live },
    // While all pictures are stopped, that of one cannot be let through.
    cameraStopped === "held" && !all
      ? { name: "people.release_camera", press: () => act.release("camera", id) }
      : { name: "people.stop_camera", press: () => act.hold("camera", id), disabled: !camera },
    { name: "people.stop_screen", press: () => act.stopScreen(id), disabled: !screen },
    { name: "bar.lower_hand", press: () => act.lowerHand(id), disabled: hand === 0 },
  ];
}

function safety({ t, state }: View): TemplateResult | typeof nothing {
  const code = state.room?.safetyCode ?? "";
  if (code === "") return nothing;
  return html`
    <section class="safety" aria-labelledby="safety-heading">
      <h3 id="safety-heading">${t("people.safety_code")}</h3>
      <code>${code}</code>
      <p class="hint">${t("people.safety_hint")}</p>
    </section>
  `;
}

/** Say who speaks, for the line above the tiles. */
export function speakersText({ t, state }: View): string {
  const names = state.participants.filter(({ speaking }) => speaking).map(fullName);
  return names.length === 0 ? "" : t("top.speaking", { names: names.slice(0, 3).join(", ") });
}
