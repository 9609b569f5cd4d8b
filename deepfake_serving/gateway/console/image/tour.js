/** A tour of three steps for the first visit. It can be skipped, and does not come back. */

import { announce, el } from "../lib/dom.js";
import { t } from "../messages.js";

const STORAGE_KEY = "deepfake-tour";
const STEPS = ["choose", "read", "keep"];

/** @returns {Element|null} null once it was ended in this browser */
export function tour() {
  if (localStorage.getItem(STORAGE_KEY)) return null;
  let step = 0;
  const [count, title, text] = [el("p", { class: "fine-print" }), el("h2", { id: "tour-title" }), el("p")];
  const next = el("button", { type: "button", class: "primary", onclick: advance });
  const skip = el("button", { type: "button", class: "quiet", onclick: end }, t("tour.skip"));
  const element = el(
    "section",
    { class: "card tour", "aria-labelledby": "tour-title" },
    count,
    title,
    text,
    el("div", { class: "actions" }, next, skip),
  );

  function show() {
    const last = step === STEPS.length - 1;
    count.textContent = t("tour.step", { step: step + 1, count: STEPS.length });
    title.textContent = t(`tour.${STEPS[step]}.title`);
    text.textContent = t(`tour.${STEPS[step]}.text`);
    next.textContent = t(last ? "tour.done" : "tour.next");
    skip.hidden = last;
  }

  function advance() {
    step += 1;
    if (step === STEPS.length) return end();
    show();
    announce(`${count.textContent}: ${title.textContent}. ${text.textContent}`);
  }

  function end() {
    localStorage.setItem(STORAGE_KEY, "ended");
    element.remove();
    document.getElementById("panel").focus({ preventScroll: true });
  }

  show();
  return element;
}
