/** The bar of controls. */

import { html, nothing, type TemplateResult } from "lit-html";

import { icon, type IconName } from "./icons.js";
import type { View } from "./view.js";

interface Control {
  readonly icon: IconName;
  /** The accessible name, and the text below the icon. */
  readonly name: string;
  readonly press: () => void;
  readonly tone?: "off" | "on" | "leave";
  readonly disabled?: boolean;
  /** What is said besides, for instance why it is disabled. */
  readonly about?: string | undefined;
  /** A small number on the icon; 0: none. */
  readonly count?: number;
  readonly expanded?: boolean;
  readonly id?: string;
}

/** Show the bar. */
export function bar(view: View): TemplateResult {
  const { t } = view;
  return html`<nav class="bar" aria-label=${t("bar.label")}>${controls(view).map(button)}</nav>`;
}

function controls(view: View): readonly Control[] {
  const { t, state, page, act } = view;
  const { me } = state;
  const why = t(me?.maySpeak || me?.mayShow || me?.mayShare ? "bar.not_allowed" : "bar.listener");
  const live = state.microphone.state === "on" || state.microphone.state === "starting";
  const seen = state.camera.state === "on" || state.camera.state === "starting" || state.camera.state === "paused";
  const shared = state.screen.state !== "off" && state.screen.state !== "failed";
  const raised = (me?.hand ?? 0) > 0;
  const own: Control[] = [
    {
      icon: live ? "microphone" : "microphone_off",
      name: t(live ? "bar.mute" : "bar.unmute"),
      press: () => act.toggleMicrophone(),
      disabled: !me?.maySpeak,
      about: !me?.maySpeak ? why : live ? undefined : t("bar.hold_space"),
      ...(live ? {} : { tone: "off" }),
    },
    {
      icon: seen ? "camera" : "camera_off",
      name: t(seen ? "bar.stop_camera" : "bar.start_camera"),
      press: () => act.toggleCamera(),
      disabled: !me?.mayShow,
      about: me?.mayShow ? undefined : why,
      ...(seen ? {} : { tone: "off" }),
    },
  ];
  const screen: Control = {
    icon: "screen",
    name: t(shared ? "bar.stop_screen" : "bar.share_screen"),
    press: () => act.toggleScreen(),
    disabled: !me?.mayShare,
    about: me?.mayShare ? undefined : why,
    ...(shared ? { tone: "on" } : {}),
  };
  return [
    ...own,
    ...(page.can.shareScreen ? [screen] : []),
    {
      icon: "hand",
      name: t(raised ? "bar.lower_hand" : "bar.raise_hand"),
      press: () => act.toggleHand(),
      ...(raised ? { tone: "on" } : {}),
    },
    {
      id: "chat-button",
      icon: "chat",
      name: t("bar.chat"),
      press: () => act.openPanel(page.panel === "chat" ? "none" : "chat"),
      count: page.unread,
      expanded: page.panel === "chat",
      about: page.unread > 0 ? t("bar.unread", { count: page.unread }) : me?.mayWrite ? undefined : t("chat.read_only"),
    },
    {
      id: "people-button",
      icon: "people",
      name: t("bar.people"),
      press: () => act.openPanel(page.panel === "people" ? "none" : "people"),
      expanded: page.panel === "people",
      about: t("bar.present", { count: state.participants.length + 1 }),
    },
    { icon: "settings", name: t("bar.settings"), press: () => act.openDialog({ name: "settings" }) },
    { icon: "leave", name: t("bar.leave"), press: () => act.leave(), tone: "leave" },
  ];
}

function button(control: Control): TemplateResult {
  const { about, count = 0, expanded } = control;
  const press = (event: MouseEvent) => {
    control.press();
    // After a click with a pointer the space key is to talk again; the keyboard keeps its place.
    if (event.detail > 0) (event.currentTarget as HTMLElement).blur();
  };
  return html`
    <button
      type="button"
      id=${control.id ?? nothing}
      class="control ${control.tone ?? ""}"
      ?disabled=${control.disabled ?? false}
      aria-expanded=${expanded ?? nothing}
      aria-description=${about ?? nothing}
      title=${about === undefined ? control.name : `${control.name}: ${about}`}
      @click=${press}
    >
      ${icon(control.icon)}
      <span class="control-name">${control.name}</span>
      ${count > 0 ? html`<span class="count" aria-hidden="true">${count > 99 ? "99+" : count}</span>` : nothing}
    </button>
  `;
}
