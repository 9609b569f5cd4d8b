/** Which model spoke, and how long each stage took. */

import { el, facts } from "./dom.js";
import { shortDigest, span } from "./format.js";

export function technical(verdict) {
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
      ...Object.entries(timings).map(([stage, ms]) => [stage, span(ms / 1000)]),
    ]),
  );
}
