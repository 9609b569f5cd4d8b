/** One image of a batch, and its table row. */

import { standouts } from "../components/standouts.js";
import { badge } from "../components/verdicts.js";
import { saveAnalysis } from "../image/analyses.js";
import { el } from "../lib/dom.js";
import { thumbnailOf } from "../lib/thumbnail.js";
import { duration, score } from "../lib/format.js";
import { t } from "../messages.js";

/** @returns a row: `{file, name, state, verdict, copy, problem, seconds, ended, element, update()}` */
export function batchRow(file) {
  const thumb = thumbnailOf(file);
  const name = el("span", { class: "name" }, file.name);
  const [verdict, figure, faces, time] = [
    el("td"),
    el("td", { class: "numeric" }),
    el("td", { class: "numeric minor" }),
    el("td", { class: "numeric minor" }),
  ];
  const element = el(
    "tr",
    {},
    el("th", { scope: "row" }, el("div", { class: "name-cell" }, thumb, name)),
    verdict,
    figure,
    faces,
    time,
  );
  const row = {
    file,
    name: file.name,
    state: "waiting",
    verdict: null,
    copy: null,
    problem: null,
    seconds: null,
    wait: null,
    element,
    update,
  };
  Object.defineProperty(row, "ended", { get: () => ["done", "failed", "stopped"].includes(row.state) });
  let linked = false;

  function update() {
    verdict.replaceChildren(...statusCells(row));
    if (!row.verdict || linked) return;
    linked = true;
    figure.textContent = score(row.verdict.fake_probability);
    faces.textContent = String(row.verdict.faces.length);
    time.textContent = duration(row.seconds);
    const id = saveAnalysis(file.name, row.verdict, file, row.copy);
    if (row.copy) thumb.replaceWith(thumbnailOf(row.copy));
    name.replaceChildren(el("a", { href: `#/image/${id}` }, file.name));
  }

  update();
  return row;
}

function statusCells({ state, verdict, problem, wait }) {
  if (verdict) {
    const exceptions = standouts(verdict);
    return [badge(verdict.verdict), ...(exceptions ? [el("p", { class: "fine-print standouts" }, exceptions)] : [])];
  }
  if (!problem) return [el("span", { class: "state" }, t(`batch.state.${state}`, { seconds: wait }))];
  return [
    el("span", { class: "badge problem-badge" }, problem.title),
    el(
      "details",
      { class: "fine-print" },
      el("summary", {}, t("batch.what-to-do")),
      el("p", {}, problem.detail),
      el("p", {}, problem.advice),
    ),
  ];
}
