/** "This is wrong": a dialog that sends the right label for a verdict, of a whole file or of one face. */

import { fetchJson, info } from "../api/client.js";
import { asProblem } from "../api/problems.js";
import { openDialog } from "../lib/dialog.js";
import { announce, el } from "../lib/dom.js";
import { t } from "../messages.js";

const OPPOSITE = { real: "fake", fake: "real" };
const MAX_NOTE = 1000;

/** Labels that were sent, by what they are of: a report that is drawn again shows them. */
const sentLabels = new Map();

/**
 * @param {Object} subject
 * @param {string} subject.id of the image's verdict, or of the job
 * @param {string} subject.verdict the label that may be wrong
 * @param {string} subject.name what is labelled: a file, or one of its faces
 * @param {Object} [subject.part] `{face}` or `{track}`
 * @param {boolean} [ofImage] the service may remember no images, and then takes no labels for them
 */
export function feedbackButton({ id, verdict, name, part = {} }, ofImage = true) {
  const key = JSON.stringify([id, part]);
  const given = el("span", { class: "fine-print given" });
  const button = el(
    "button",
    { type: "button", class: "link wrong", hidden: ofImage, "aria-label": t("feedback.name", { name }), onclick: open },
    t("feedback.wrong"),
  );
  showGiven();
  if (ofImage) info().then((service) => (button.hidden = !service.feedback), () => null);
  return el("div", { class: "feedback" }, button, given);

  async function open() {
    const labels = labelChoice(OPPOSITE[verdict]);
    const note = el("textarea", { id: "feedback-note", rows: 3, maxlength: MAX_NOTE });
    const send = async () => {
      const label = labels.querySelector(":checked").value;
      const body = { id, label, ...part, ...(note.value.trim() ? { note: note.value.trim() } : {}) };
      try {
        await post(body);
      } catch (error) {
        return failureText(error);
      }
      sentLabels.set(key, label);
      showGiven();
      return null;
    };
    const sent = await openDialog({
      title: t("feedback.title", { name }),
      content: [
        labels,
        el("label", { for: "feedback-note" }, t("feedback.note")),
        note,
        el("p", { class: "fine-print" }, t("feedback.use")),
      ],
      accept: t("feedback.send"),
      check: send,
    });
    if (sent) announce(given.textContent);
    button.focus();
  }

  function showGiven() {
    if (!sentLabels.has(key)) return;
    given.textContent = t(`feedback.given.${sentLabels.get(key)}`);
    button.textContent = t("feedback.change");
    button.setAttribute("aria-label", t("feedback.change-name", { name }));
  }
}

function labelChoice(preset) {
  const option = (label) => {
    const chosen = { checked: label === preset, autofocus: label === preset };
    const radio = el("input", { type: "radio", name: "label", value: label, required: true, ...chosen });
    return el("label", {}, radio, t(`feedback.label.${label}`));
  };
  return el("fieldset", { class: "labels" }, el("legend", {}, t("feedback.question")), option("real"), option("fake"));
}

function post(body) {
  return fetchJson("/v1/feedback", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** Says why the service refused; a forgotten id is the usual reason. */
function failureText(error) {
  const problem = asProblem(error);
  return problem.slug === "not-found" ? t("feedback.forgotten") : `${problem.title}. ${problem.detail ?? ""}`;
}
