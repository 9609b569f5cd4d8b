/** Examples to try: a portrait, and the same with its face swapped. Hidden as soon as there is a result. */

import { el } from "../lib/dom.js";
import { t } from "../messages.js";

const FILES = { portrait: "portrait.jpg", swapped: "swapped.jpg" };

/** @param {Function} analyse called with the file of the chosen example */
export function examples(analyse) {
  const buttons = Object.entries(FILES).map(([name, file]) => {
    const url = new URL(`../examples/${file}`, import.meta.url);
    const choose = async () => analyse(new File([await (await fetch(url)).blob()], file, { type: "image/jpeg" }));
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "example-button", onclick: choose },
        el("img", { src: url, alt: "", width: 96, height: 96, fetchpriority: "low" }),
        el("span", {}, t(`examples.${name}`)),
      ),
    );
  });
  return el(
    "section",
    { class: "examples", "aria-labelledby": "examples-heading" },
    el("h2", { id: "examples-heading" }, t("examples.title")),
    el("ul", {}, buttons),
    el("p", { class: "fine-print" }, t("examples.credit")),
  );
}
