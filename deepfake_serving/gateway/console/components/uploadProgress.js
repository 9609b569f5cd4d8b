/** The progress of one upload: share, speed, time left, and a button that stops it. */

import { el } from "../lib/dom.js";
import { bytes, percent, roughly } from "../lib/format.js";
import { t } from "../messages.js";

/**
 * @param {File|string} source a file, or the URL that is submitted
 * @param {string} uploaded what follows the upload, in words
 * @returns {{element, show({share, perSecond, left})}}; `show({ waiting: true })` while the service is out of reach
 */
export function uploadProgress(source, uploaded, onStop) {
  const isFile = typeof source !== "string";
  const name = isFile ? source.name : source;
  const bar = el("progress", { max: 1, "aria-label": t("upload.label") });
  const text = el("p", { role: "status" }, t(isFile ? "upload.begins" : "upload.url", { name }));
  const figures = el("p", { class: "fine-print" });
  const stop = el("button", { type: "button", onclick: onStop }, t("action.stop"));

  function show({ share, perSecond, left, waiting = false }) {
    if (waiting) {
      text.textContent = t("upload.lost", { name });
      figures.textContent = "";
      return;
    }
    bar.value = share;
    if (!isFile) return;
    const sent = percent(Math.floor(share * 10) / 10); // announced in steps of ten per cent
    const message = share < 1 ? t("upload.share", { name, share: sent, size: bytes(source.size) }) : uploaded;
    if (message !== text.textContent) text.textContent = message;
    const speed = t("upload.speed", { speed: bytes(perSecond) });
    figures.textContent =
      share < 1 ? [speed, left === null ? null : t("time.left", { time: roughly(left) })].filter(Boolean).join(" · ") : "";
  }

  return { element: el("div", { class: "card progress-card" }, text, bar, figures, stop), show };
}
