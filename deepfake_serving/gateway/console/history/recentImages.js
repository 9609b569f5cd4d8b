/** The images analysed since this page was opened. */

import { info } from "../api/client.js";
import { badge } from "../components/verdicts.js";
import { listAnalyses, removeAnalysis } from "../image/analyses.js";
import { el } from "../lib/dom.js";
import { dateTime } from "../lib/format.js";
import { thumbnailOf } from "../lib/thumbnail.js";
import { t } from "../messages.js";
import { resultsTable } from "./resultsTable.js";

export function recentImages() {
  const body = el("tbody");
  const rows = listAnalyses().map(({ id, name, verdict, image, copy, at }) => {
    const title = el("a", { class: "name", href: `#/image/${id}` }, name);
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, el("div", { class: "name-cell" }, thumbnailOf(copy ?? image), title)),
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
            "aria-label": t("history.forget.name", { name }),
            onclick: () => {
              removeAnalysis(id);
              row.remove();
            },
          },
          t("history.forget"),
        ),
      ),
    );
    return row;
  });
  body.append(...rows);
  return el(
    "section",
    { "aria-labelledby": "images-heading" },
    el("h2", { id: "images-heading" }, t("history.images")),
    storageNote(),
    rows.length
      ? resultsTable(
          t("history.images-caption"),
          [t("batch.image"), t("batch.verdict"), t("batch.faces"), t("history.analysed")],
          body,
        )
      : null,
  );
}

/** Says what is kept of images, and where; the service's operator decides whether it keeps them. */
function storageNote() {
  const note = el("p", { class: "fine-print" }, t("history.images-kept"));
  info().then(
    ({ keeps_images: stored }) => stored && (note.textContent = t("history.images-stored")),
    () => null, // the footer shows the error
  );
  return note;
}
