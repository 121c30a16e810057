/** The drawings of the page: outlines on a square of 24, in the colour of the text. */

import { html, svg, type TemplateResult } from "lit-html";

const slash = svg`<path d="M4 3l17 18" />`;
const bubble = svg`<path d="M4 5h16v11H9l-5 4z" />`;
const shield = svg`<path d="M12 3l8 3v6c0 4.5-3.2 7.8-8 9-4.8-1.2-8-4.5-8-9V6z" />`;
const microphone = svg`<path d="M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z" /><path d="M5.5 11a6.5 6.5 0 0 0 13 0M12 17.500V21" />`;
const camera = svg`<path d="M3 7h12v10H3zM15 11l6-3.500v9L15 13" />`;

const DRAWINGS = {
  microphone,
  microphone_off: svg`${microphone}${slash}`,
  camera,
  camera_off: svg`${camera}${slash}`,
  screen: svg`<path d="M3 4h18v12H3zM8 20h8M12 13V7.500M9.5 10L12 7.500l2.5 2.5" />`,
  hand: svg`<path d="M7 12V6.500a1.5 1.5 0 0 1 3 0V11V4.500a1.5 1.5 0 0 1 3 0V11V5.500a1.5 1.5 0 0 1 3 0V12V8.500a1.5 1.5 0 0 1 3 0V14c0 4-2.5 7-6.5 7-3.5 0-5-1.8-6.3-4.200L4 12.800c-.6-1.5 1-2.5 2-1.500L7 12.5" />`,
  chat: bubble,
  people: svg`<circle cx="9" cy="8" r="3.5" /><path d="M2.5 20c0-4 2.9-6 6.5-6s6.5 2 6.5 6M16 4.800a3.5 3.5 0 0 1 0 6.400M18 14.500c2.2.8 3.5 2.6 3.5 5.5" />`,
  settings: svg`<path d="M4 7h9M19 7h1M4 17h1M11 17h9" /><circle cx="16" cy="7" r="2.5" /><circle cx="8" cy="17" r="2.5" />`,
  leave: svg`<path d="M3.5 15.500c-.8-1-.8-2.6 0-3.600C5.5 9.6 8.6 8.5 12 8.500s6.5 1.1 8.5 3.400c.8 1 .8 2.6 0 3.600l-4.3-1.3-.6-2.700a12 12 0 0 0-7.2 0l-.6 2.700z" />`,
  grid: svg`<path d="M4 4h6.500v6.500H4zM13.5 4H20v6.500h-6.500zM4 13.500h6.500V20H4zM13.5 13.500H20V20h-6.500z" />`,
  speaker_view: svg`<path d="M3 4h12v16H3zM18 4h3v4h-3zM18 10h3v4h-3zM18 16h3v4h-3z" />`,
  full_screen: svg`<path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />`,
  picture_in_picture: svg`<path d="M3 5h18v14H3zM12 12h6v4h-6z" />`,
  pin: svg`<path d="M9 3h6l-.8 7 3.3 3v1.500h-11V13l3.3-3zM12 14.500V21" />`,
  record: svg`<circle cx="12" cy="12" r="8" /><circle cx="12" cy="12" r="4" fill="currentColor" />`,
  lock: svg`<path d="M5 11h14v9H5zM8 11V8a4 4 0 0 1 8 0v3" />`,
  close: svg`<path d="M5 5l14 14M19 5L5 19" />`,
  more: svg`<circle cx="12" cy="5" r="1.2" /><circle cx="12" cy="12" r="1.2" /><circle cx="12" cy="19" r="1.2" />`,
  send: svg`<path d="M4 4l17 8-17 8 3-8zM7 12h14" />`,
  volume: svg`<path d="M4 9.500h4l5-4v13l-5-4H4zM16 9a4 4 0 0 1 0 6M18.5 6.500a8 8 0 0 1 0 11" />`,
  verified: svg`${shield}<path d="M8.5 12l2.5 2.5 4.5-5" />`,
  warning: svg`<path d="M12 4L2.5 20h19zM12 10v4.500M12 17v.5" />`,
  info: svg`<circle cx="12" cy="12" r="9" /><path d="M12 11v5.500M12 7.500v.5" />`,
} as const;

export type IconName = keyof typeof DRAWINGS;

/** Draw an icon. It says nothing to a screen reader: what it stands for has a name of its own. */
export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${DRAWINGS[name]}</svg>`;
}
