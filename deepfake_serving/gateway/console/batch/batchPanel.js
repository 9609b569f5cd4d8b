/** Batch panel: many images, in a table that fills as responses arrive. */

import { announce, el } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { analyseAll } from "./uploadQueue.js";
import { mediaPicker } from "../components/mediaPicker.js";
import { batchRow } from "./batchRow.js";
import { csv, download, formatJson } from "../lib/download.js";
import { sortableTable } from "../lib/sortableTable.js";
import { badge, VERDICTS } from "../components/verdicts.js";

const COLUMNS = [
  { heading: "Image", value: (row) => row.name.toLowerCase() },
  { heading: "Verdict", value: (row) => row.verdict?.verdict ?? `~${row.state}` },
  { heading: "Score", value: (row) => row.verdict?.fake_probability, numeric: true },
  { heading: "Faces", value: (row) => row.verdict?.faces.length, numeric: true, minor: true },
  { heading: "Time", value: (row) => row.seconds, numeric: true, minor: true },
];

export function batchPanel() {
  let rows = [];
  let running = null;
  const totals = el("div", { class: "totals" });
  const progress = el("progress", { max: 1, value: 0, "aria-label": "Images finished" });
  const table = sortableTable("Verdicts of the images, filled as responses arrive", COLUMNS);
  const stop = button("Stop", () => running?.abort());
  const clear = button("Clear", () => {
    running?.abort();
    rows = [];
    refresh();
  });
  const actions = el(
    "div",
    { class: "actions" },
    stop,
    clear,
    button("Download CSV", () => download("verdicts.csv", "text/csv", csv(cells(rows)))),
    button("Download JSON", () => download("verdicts.json", "application/json", formatJson(documents(rows)))),
  );
  const results = el(
    "div",
    { hidden: true, "data-filled": true },
    el("div", { class: "summary" }, totals, progress),
    actions,
    table.element,
  );
  const element = el(
    "div",
    {},
    el(
      "p",
      { class: "lede" },
      "Analyse many images. They are sent three at a time; a bad one does not affect the others.",
    ),
    mediaPicker({ what: "images", accept: "image/*,.heic,.heif,.avif,.tif,.tiff", multiple: true, onFiles: add }),
    results,
  );

  async function add(files) {
    const added = files.map(batchRow);
    rows = [...rows, ...added];
    running = running?.signal.aborted === false ? running : new AbortController();
    const { signal } = running;
    refresh();
    await analyseAll(added, signal, (row) => {
      row.update();
      refresh();
    });
    if (rows.length && rows.every((row) => row.ended)) announce(`${plural(rows.length, "image")} finished.`);
  }

  function refresh() {
    const ended = rows.filter((row) => row.ended).length;
    results.hidden = !rows.length;
    stop.hidden = progress.hidden = ended === rows.length;
    progress.value = rows.length ? ended / rows.length : 0;
    totals.replaceChildren(
      ...totalsOf(rows),
      el("span", { class: "fine-print" }, `${ended} of ${rows.length} finished`),
    );
    table.show(rows);
  }

  return { title: "Batch", open: () => element };
}

function totalsOf(rows) {
  const counts = Object.keys(VERDICTS).map((verdict) => [
    verdict,
    rows.filter((row) => row.verdict?.verdict === verdict).length,
  ]);
  const failed = rows.filter((row) => row.problem).length;
  return [
    ...counts.map(([verdict, count]) =>
      el("span", { class: "total" }, el("strong", {}, String(count)), badge(verdict)),
    ),
    failed
      ? el(
          "span",
          { class: "total" },
          el("strong", {}, String(failed)),
          el("span", { class: "badge problem-badge" }, "Problem"),
        )
      : null,
  ].filter(Boolean);
}

function cells(rows) {
  const headings = ["name", "verdict", "fake_probability", "faces", "problem", "detail", "model", "digest"];
  return [
    headings,
    ...rows.map(({ name, verdict, problem }) => [
      name,
      verdict?.verdict,
      verdict?.fake_probability,
      verdict?.faces.length,
      problem?.title,
      problem?.detail,
      verdict?.model.name,
      verdict?.model.digest,
    ]),
  ];
}

function documents(rows) {
  return rows.map(({ name, verdict, problem }) =>
    problem
      ? { name, problem: { title: problem.title, detail: problem.detail, status: problem.status } }
      : { name, verdict },
  );
}

function button(text, onclick) {
  return el("button", { type: "button", onclick }, text);
}
