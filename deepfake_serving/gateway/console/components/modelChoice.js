/** The choice of a model or an ensemble, where the service serves several; all panels share it. */

import { info } from "../api/client.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";

const PARTS = ["faces", "classifier"]; // they find faces or score them, not both
let chosen = "";

/** Returns the parameters of a request with the chosen model; empty for the service's default. */
export function modelParameters() {
  return chosen ? { model: chosen } : {};
}

/** @returns {string} a path with query parameters, if there are any */
export function withQuery(path, parameters) {
  const query = new URLSearchParams(parameters);
  return query.size ? `${path}?${query}` : path;
}

/** @param {string} id of the control */
export function modelChoice(id) {
  const control = el("select", { id, onchange: () => (chosen = control.value) });
  const element = el("div", { class: "field", hidden: true }, el("label", { for: id }, t("model.choice")), control);
  info().then(
    ({ models }) => {
      const usable = models.filter(({ task }) => !PARTS.includes(task));
      const options = usable.map(({ name, members }) =>
        el("option", { value: name }, members ? t("model.ensemble", { name, count: members.length }) : name),
      );
      control.replaceChildren(el("option", { value: "" }, t("options.default")), ...options);
      element.hidden = usable.length < 2;
    },
    () => null, // the footer shows the error
  );
  // Panels stay in memory: each shows what was chosen on another one.
  addEventListener("hashchange", () => (control.value = chosen));
  return element;
}
