/** How a video is to be analysed: the options of POST /v1/videos as a form. */

import { el } from "./dom.js";

const SAMPLING = [
  ["", "As the service is set"],
  ["every:5", "Every 5th frame"],
  ["every:1", "Every frame (slow)"],
  ["uniform:30", "30 frames, evenly spread"],
  ["fps:2", "2 frames a second"],
  ["per_shot:64", "At most 64 a shot"],
];
const AGGREGATION = [
  ["", "As the service is set"],
  ["shots", "Highest face of the highest shot"],
  ["mean", "Mean over all faces"],
  ["confident", "Confident frames first"],
  ["fake_frame_ratio", "Share of fake frames"],
];

/** @returns {{element, query()}} the query is a string for the address, "" or "?…" */
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
    el("div", { class: "check" }, shots, el("label", { for: "option-shots" }, "Cut into shots")),
  );

  function query() {
    const chosen = new URLSearchParams();
    if (sampling.control.value) chosen.set("sampling", sampling.control.value);
    if (aggregation.control.value) chosen.set("aggregation", aggregation.control.value);
    if (!shots.checked) chosen.set("shots", "false");
    return chosen.size ? `?${chosen}` : "";
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
