/** Options of a video's analysis: those of POST /v1/videos, as a form. */

import { el } from "../lib/dom.js";

const SAMPLING = [
  ["", "The service's default"],
  ["every:5", "Every 5th frame"],
  ["every:1", "Every frame (slow)"],
  ["uniform:30", "30 frames, evenly spread"],
  ["fps:2", "2 frames per second"],
  ["per_shot:64", "At most 64 per shot"],
];
const AGGREGATION = [
  ["", "The service's default"],
  ["shots", "Highest face of the highest shot"],
  ["mean", "Mean over all faces"],
  ["confident", "Confident frames first"],
  ["fake_frame_ratio", "Share of fake frames"],
];

/** @returns {{element, query()}} the query is a URL's query string, "" or "?…" */
export function videoOptions() {
  const sampling = select("sampling", "Frames", SAMPLING);
  const aggregation = select("aggregation", "Score of the video", AGGREGATION);
  const shots = el("input", { type: "checkbox", id: "option-shots", checked: true });
  const element = el(
    "fieldset",
    { class: "options" },
    el("legend", {}, "Options"),
    sampling.element,
    aggregation.element,
    el("div", { class: "check" }, shots, el("label", { for: "option-shots" }, "Split into shots")),
  );

  function query() {
    const params = new URLSearchParams();
    if (sampling.control.value) params.set("sampling", sampling.control.value);
    if (aggregation.control.value) params.set("aggregation", aggregation.control.value);
    if (!shots.checked) params.set("shots", "false");
    return params.size ? `?${params}` : "";
  }

  return { element, query };
}

function select(name, label, choices) {
  const id = `option-${name}`;
  const control = el(
    "select",
    { id },
    choices.map(([value, text]) => el("option", { value }, text)),
  );
  return { control, element: el("div", { class: "field" }, el("label", { for: id }, label), control) };
}
