/** The images analysed since this page was opened. */

import { el } from "../lib/dom.js";
import { dateTime } from "../lib/format.js";
import { resultsTable } from "./resultsTable.js";
import { listAnalyses, removeAnalysis } from "../image/analyses.js";
import { badge } from "../components/verdicts.js";

export function recentImages() {
  const body = el("tbody");
  const rows = listAnalyses().map(({ id, name, verdict, at }) => {
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, el("a", { class: "name", href: `#/image/${id}` }, name)),
      el("td", {}, badge(verdict.verdict, verdict.fake_probability)),
      el("td", { class: "minor" }, String(verdict.faces.length)),
      el("td", { class: "minor" }, dateTime(at)),
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
              removeAnalysis(id);
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
    { "aria-labelledby": "images-heading" },
    el("h2", { id: "images-heading" }, "Images"),
    el(
      "p",
      { class: "fine-print" },
      "The service doesn't store images. This page alone keeps those analysed since it was opened, until it is closed or reloaded.",
    ),
    rows.length
      ? resultsTable(
          "Images analysed in this session, newest first",
          ["Image", "Verdict", "Faces", "Analysed"],
          body,
        )
      : null,
  );
}
