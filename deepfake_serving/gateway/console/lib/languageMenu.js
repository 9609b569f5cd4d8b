/** The choice of the language, and the texts of the page around the panels. */

import { chooseLanguage, language, LANGUAGES, t } from "../messages.js";
import { el } from "./dom.js";

/** @param {HTMLSelectElement} menu */
export function setUpLanguage(menu) {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", t(element.dataset.label));
  menu.append(
    ...Object.entries(LANGUAGES).map(([tag, name]) =>
      el("option", { value: tag, lang: tag, selected: tag === language }, name),
    ),
  );
  menu.addEventListener("change", () => {
    chooseLanguage(menu.value);
    location.reload(); // every text is written once, when its panel is built
  });
}
