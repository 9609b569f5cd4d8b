/** Details of the model, and the duration of each stage. */

import { el, facts } from "../lib/dom.js";
import { duration, shortDigest } from "../lib/format.js";
import { hasText, t } from "../messages.js";

/** @param {Object} verdict of an image or a video; stages of a video run at the same time */
export function modelDetails(verdict, { parallel = false } = {}) {
  const { model, timings_ms: timings, width, height } = verdict;
  const digest = model.digest ? el("code", { title: model.digest }, shortDigest(model.digest)) : null;
  const { total, ...stages } = timings;
  return el(
    "details",
    {},
    el("summary", {}, t("details.summary")),
    facts([
      [t("details.model"), model.name],
      [t("details.version"), model.version],
      [t("details.digest"), digest],
      [t("details.trained"), t(model.trained ? "yes" : "no")],
      [t("details.size"), `${width} × ${height} px`],
      [t("details.id"), verdict.id ? el("code", {}, verdict.id) : null],
      [t("details.total"), total === undefined ? null : duration(total / 1000)],
      ...Object.entries(stages).map(([stage, ms]) => [stageName(stage), duration(ms / 1000)]),
    ]),
    parallel ? el("p", { class: "fine-print" }, t("details.parallel")) : null,
  );
}

function stageName(stage) {
  return hasText(`timing.${stage}`) ? t(`timing.${stage}`) : stage;
}
