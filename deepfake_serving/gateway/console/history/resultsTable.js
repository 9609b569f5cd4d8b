/** A table of past analyses. */

import { el } from "../lib/dom.js";
import { t } from "../messages.js";

/** The third and fourth columns are hidden on phones; the last column holds buttons. */
export function resultsTable(caption, headings, body) {
  const columns = headings.map((text, index) =>
    el("th", { scope: "col", class: index > 1 ? "minor" : null }, text),
  );
  const last = el("th", { scope: "col" }, el("span", { class: "visually-hidden" }, t("history.actions")));
  return el(
    "table",
    { class: "results-table" },
    el("caption", { class: "visually-hidden" }, caption),
    el("thead", {}, el("tr", {}, columns, last)),
    body,
  );
}
