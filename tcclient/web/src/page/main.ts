/** The entry of the page. */

import { pickLanguage, translator } from "./language.js";

const language = pickLanguage("", navigator.languages);
document.documentElement.lang = language;
document.title = translator(language)("page.title");
