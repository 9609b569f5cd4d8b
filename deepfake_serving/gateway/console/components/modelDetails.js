/** Details of the model, and the duration of each stage. */

import { el, facts } from "../lib/dom.js";
import { shortDigest, duration } from "../lib/format.js";

export function modelDetails(verdict) {
  const { model, timings_ms: timings, width, height } = verdict;
  const digest = model.digest ? el("code", { title: model.digest }, shortDigest(model.digest)) : null;
  return el(
    "details",
    {},
    el("summary", {}, "Model and timings"),
    facts([
      ["Model", model.name],
      ["Version", model.version],
      ["Digest", digest],
      ["Trained", model.trained ? "yes" : "no"],
      ["Size", `${width} × ${height} px`],
      ["Id", verdict.id ? el("code", {}, verdict.id) : null],
      ...Object.entries(timings).map(([stage, ms]) => [stage, duration(ms / 1000)]),
    ]),
  );
}
