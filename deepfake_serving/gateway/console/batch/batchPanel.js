/** Batch panel: many images, in a table that fills as responses arrive. */

import { mediaPicker } from "../components/mediaPicker.js";
import { badge, VERDICTS } from "../components/verdicts.js";
import { registerPanel } from "../files/fileRouter.js";
import { announce, el } from "../lib/dom.js";
import { csv, download, formatJson } from "../lib/download.js";
import { sortableTable } from "../lib/sortableTable.js";
import { t } from "../messages.js";
import { documentsOf, tableOf } from "./batchExport.js";
import { batchRow } from "./batchRow.js";
import { analyseAll } from "./uploadQueue.js";

const COLUMNS = [
  { heading: t("batch.image"), value: (row) => row.name.toLowerCase() },
  { heading: t("batch.verdict"), value: (row) => row.verdict?.verdict ?? `~${row.state}` },
  { heading: t("batch.score"), value: (row) => row.verdict?.fake_probability, numeric: true },
  { heading: t("batch.faces"), value: (row) => row.verdict?.faces.length, numeric: true, minor: true },
  { heading: t("batch.time"), value: (row) => row.seconds, numeric: true, minor: true },
];

export function batchPanel() {
  let [rows, running] = [[], null];
  const totals = el("div", { class: "totals" });
  const progress = el("progress", { max: 1, value: 0, "aria-label": t("batch.progress") });
  const table = sortableTable(t("batch.caption"), COLUMNS);
  const stop = button(t("action.stop"), () => running?.abort());
  const retry = button("", () => analyse(rows.filter(mayBeRetried)));
  const saved = [
    button(t("batch.csv"), () => download("verdicts.csv", "text/csv;charset=utf-8", csv(tableOf(rows)))),
    button(t("download.json"), () => download("verdicts.json", "application/json", formatJson(documentsOf(rows)))),
  ];
  const undo = el("div", { role: "status" });
  const results = el(
    "div",
    { hidden: true, "data-filled": true },
    el("div", { class: "summary" }, totals, progress),
    el("div", { class: "actions" }, stop, retry, button(t("batch.clear"), clear), saved),
    table.element,
  );
  const lede = el("p", { class: "lede" }, t("batch.lede"));
  const element = el("div", {}, lede, mediaPicker("batch"), undo, results);
  registerPanel("batch", { onFiles: add });

  function add(files) {
    const added = files.map(batchRow);
    rows = [...rows, ...added];
    undo.replaceChildren();
    return analyse(added);
  }

  async function analyse(some) {
    for (const row of some) Object.assign(row, { state: "waiting", problem: null }).update();
    running = running?.signal.aborted === false ? running : new AbortController();
    const { signal } = running;
    refresh();
    await analyseAll(some, signal, (row) => {
      row.update();
      refresh();
    });
    if (rows.length && rows.every((row) => row.ended)) announce(t("batch.finished", { count: rows.length }));
  }

  /** Clears the table at once, and offers to undo that until other images are added. */
  function clear() {
    running?.abort();
    const cleared = rows;
    rows = [];
    refresh();
    const restore = button(t("action.undo"), () => {
      rows = cleared;
      undo.replaceChildren();
      refresh();
    });
    const text = el("p", {}, t("batch.cleared", { count: cleared.length }));
    undo.replaceChildren(el("div", { class: "notice undo" }, text, restore));
  }

  function refresh() {
    const ended = rows.filter((row) => row.ended).length;
    const failed = rows.filter(mayBeRetried).length;
    results.hidden = !rows.length;
    stop.hidden = progress.hidden = ended === rows.length;
    retry.hidden = !failed || ended < rows.length;
    retry.textContent = t("batch.retry", { count: failed });
    progress.value = rows.length ? ended / rows.length : 0;
    const finished = t("batch.ended", { ended, count: rows.length });
    totals.replaceChildren(...totalsOf(rows), el("span", { class: "fine-print" }, finished));
    table.show(rows);
  }

  return { title: t("panel.batch"), open: () => element };
}

/** Whether another attempt may succeed: not where the file itself is at fault. */
function mayBeRetried({ state, problem }) {
  return state === "stopped" || (state === "failed" && !problem.permanent);
}

function totalsOf(rows) {
  const counts = VERDICTS.map((verdict) => [
    rows.filter((row) => row.verdict?.verdict === verdict).length,
    badge(verdict),
  ]);
  const failed = rows.filter((row) => row.problem).length;
  if (failed) counts.push([failed, el("span", { class: "badge problem-badge" }, t("batch.problem"))]);
  return counts.map(([count, label]) =>
    el("span", { class: "total" }, el("strong", {}, String(count)), label),
  );
}

function button(text, onclick) {
  return el("button", { type: "button", onclick }, text);
}
