/** Many pictures: a table that fills as answers come. */

import { announce, el } from "./dom.js";
import { many } from "./format.js";
import { judgeAll } from "./crowd.js";
import { picker } from "./picker.js";
import { rowFor } from "./batch_row.js";
import { csv, download, pretty } from "./save.js";
import { sortable } from "./table.js";
import { badge, VERDICTS } from "./verdicts.js";

const COLUMNS = [
  { heading: "Picture", value: (row) => row.name.toLowerCase() },
  { heading: "Verdict", value: (row) => row.verdict?.verdict ?? `~${row.state}` },
  { heading: "Score", value: (row) => row.verdict?.fake_probability, numeric: true },
  { heading: "Faces", value: (row) => row.verdict?.faces.length, numeric: true, minor: true },
  { heading: "Time", value: (row) => row.seconds, numeric: true, minor: true },
];

export function batchPanel() {
  let rows = [];
  let running = null;
  const totals = el("div", { class: "totals" });
  const progress = el("progress", { max: 1, value: 0, "aria-label": "Pictures answered" });
  const table = sortable("Verdicts of the pictures, filled as answers come", COLUMNS);
  const stop = button("Stop", () => running?.abort());
  const clear = button("Clear", () => {
    running?.abort();
    rows = [];
    refresh();
  });
  const saves = el(
    "div",
    { class: "actions" },
    stop,
    clear,
    button("Download CSV", () => download("verdicts.csv", "text/csv", csv(cells(rows)))),
    button("Download JSON", () => download("verdicts.json", "application/json", pretty(documents(rows)))),
  );
  const sheet = el(
    "div",
    { hidden: true, "data-filled": true },
    el("div", { class: "summary" }, totals, progress),
    saves,
    table.element,
  );
  const element = el(
    "div",
    {},
    el(
      "p",
      { class: "lede" },
      "Judge many pictures. They are sent three at a time; a bad one spoils no other.",
    ),
    picker({ what: "pictures", accept: "image/*", several: true, onFiles: add }),
    sheet,
  );

  async function add(files) {
    const fresh = files.map(rowFor);
    rows = [...rows, ...fresh];
    running = running?.signal.aborted === false ? running : new AbortController();
    const { signal } = running;
    refresh();
    await judgeAll(fresh, signal, (row) => {
      row.update();
      refresh();
    });
    if (rows.length && rows.every((row) => row.ended)) announce(`${many(rows.length, "picture")} answered.`);
  }

  function refresh() {
    const ended = rows.filter((row) => row.ended).length;
    sheet.hidden = !rows.length;
    stop.hidden = progress.hidden = ended === rows.length;
    progress.value = rows.length ? ended / rows.length : 0;
    totals.replaceChildren(
      ...tally(rows),
      el("span", { class: "fine" }, `${ended} of ${rows.length} answered`),
    );
    table.show(rows);
  }

  return { title: "Batch", open: () => element };
}

function tally(rows) {
  const counts = Object.keys(VERDICTS).map((word) => [
    word,
    rows.filter((row) => row.verdict?.verdict === word).length,
  ]);
  const failed = rows.filter((row) => row.problem).length;
  return [
    ...counts.map(([word, count]) =>
      el("span", { class: "total" }, el("strong", {}, String(count)), badge(word)),
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
