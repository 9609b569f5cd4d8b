/** Options of a video's analysis: those of POST /v1/videos, as a form. */

import { info } from "../api/client.js";
import { el } from "../lib/dom.js";
import { hasText, t } from "../messages.js";

const SAMPLING = ["every:5", "every:1", "uniform:30", "fps:2", "per_shot:64"];
const AGGREGATION = ["shots", "mean", "confident", "fake_frame_ratio"];

/** @returns {{element, parameters()}} the parameters of the request, without those of the default */
export function videoOptions() {
  const sampling = select("sampling", SAMPLING);
  const aggregation = select("aggregation", AGGREGATION);
  const shots = el("input", { type: "checkbox", id: "option-shots", checked: true });
  const explain = el("input", { type: "checkbox", id: "option-explain" });
  const element = el(
    "fieldset",
    { class: "options" },
    el("legend", {}, t("options.legend")),
    sampling.element,
    aggregation.element,
    el("div", { class: "check" }, shots, el("label", { for: "option-shots" }, t("options.shots"))),
    el("div", { class: "check" }, explain, el("label", { for: "option-explain" }, t("options.explain"))),
  );

  function parameters() {
    return {
      ...(sampling.control.value ? { sampling: sampling.control.value } : {}),
      ...(aggregation.control.value ? { aggregation: aggregation.control.value } : {}),
      ...(shots.checked ? {} : { shots: "false" }),
      ...(explain.checked ? { explain: "true" } : {}),
    };
  }

  return { element, parameters };
}

/** The first choice is the service's default, which it names itself. */
function select(name, choices) {
  const id = `option-${name}`;
  const first = el("option", { value: "" }, t("options.default"));
  const control = el(
    "select",
    { id },
    first,
    choices.map((value) => el("option", { value }, optionText(name, value))),
  );
  info()
    .then(({ defaults }) => (first.textContent = t("options.default-is", { value: optionText(name, defaults[name]) })))
    .catch(() => null); // the footer shows the error
  return { control, element: el("div", { class: "field" }, el("label", { for: id }, t(`options.${name}`)), control) };
}

/** Returns an option in words; one that the console has no words for, as it is. */
export function optionText(name, value) {
  return hasText(`${name}.${value}`) ? t(`${name}.${value}`) : String(value);
}
