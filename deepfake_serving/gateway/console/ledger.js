/** A table of past analyses. */

import { el } from "./dom.js";

/** The third and the fourth column are left out on phones; the last one holds buttons. */
export function ledger(caption, headings, body) {
  const columns = headings.map((text, place) =>
    el("th", { scope: "col", class: place > 1 ? "minor" : null }, text),
  );
  const last = el("th", { scope: "col" }, el("span", { class: "unseen" }, "Actions"));
  return el(
    "table",
    { class: "ledger" },
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, columns, last)),
    body,
  );
}
