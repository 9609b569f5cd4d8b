/** The pictures that this page remembers. */

import { el } from "./dom.js";
import { when } from "./format.js";
import { ledger } from "./ledger.js";
import { forget, remembered } from "./session.js";
import { badge } from "./verdicts.js";

export function pictures() {
  const body = el("tbody");
  const rows = remembered().map(({ id, name, verdict, at }) => {
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, el("a", { class: "name", href: `#/image/${id}` }, name)),
      el("td", {}, badge(verdict.verdict, verdict.fake_probability)),
      el("td", { class: "minor" }, String(verdict.faces.length)),
      el("td", { class: "minor" }, when(at)),
      el(
        "td",
        { class: "numeric" },
        el(
          "button",
          {
            type: "button",
            class: "quiet",
            "aria-label": `Forget ${name}`,
            onclick: () => {
              forget(id);
              row.remove();
            },
          },
          "Forget",
        ),
      ),
    );
    return row;
  });
  body.append(...rows);
  return el(
    "section",
    { "aria-labelledby": "pictures-heading" },
    el("h2", { id: "pictures-heading" }, "Pictures"),
    el(
      "p",
      { class: "fine" },
      "The service doesn't keep pictures. Those judged since this page was opened are remembered by this page alone, until it is closed or reloaded.",
    ),
    rows.length
      ? ledger(
          "Pictures judged in this session, newest first",
          ["Picture", "Verdict", "Faces", "Judged"],
          body,
        )
      : null,
  );
}
