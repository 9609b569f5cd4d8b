/** Media input: dropped, pasted or chosen files, or a URL. */

import { info } from "../api/client.js";
import { el } from "../lib/dom.js";

/**
 * @param {string} what what to drop, as in "Drop an image here"
 * @param {string} accept media types of the file chooser
 * @param {boolean} multiple true where more than one file is accepted
 * @param {Function} onFiles called with a list of files
 * @param {Function} [onURL] called with a URL
 */
export function mediaPicker({ what, accept, multiple = false, onFiles, onURL = null }) {
  const input = el("input", { type: "file", accept, multiple, class: "visually-hidden" });
  const zone = el(
    "label",
    { class: "drop-zone" },
    input,
    el("span", { class: "drop-title" }, `Drop ${what} here, or choose ${multiple ? "files" : "a file"}`),
    el("span", { class: "fine-print" }, "You can also paste from the clipboard."),
  );
  const element = el("div", { class: "picker" }, zone, onURL ? urlForm(onURL) : null);
  const accepted = (files) => files.length && onFiles(multiple ? [...files] : [files[0]]);

  input.addEventListener("change", () => {
    accepted(input.files);
    input.value = ""; // the same file may be chosen again
  });
  catchDrops(element, zone, accepted);
  document.addEventListener("paste", (event) => {
    if (!element.isConnected || event.target.closest("input, textarea")) return;
    const url = event.clipboardData.getData("text").trim();
    if (event.clipboardData.files.length) accepted(event.clipboardData.files);
    else if (onURL && /^https?:\/\/\S+$/.test(url)) onURL(url);
  });
  return element;
}

/** Accepts drops on the whole page, as a file that misses the zone would replace the page. */
function catchDrops(element, zone, accepted) {
  const whenShown = (handle) => (event) => {
    if (!element.isConnected) return;
    event.preventDefault();
    handle(event);
  };
  const over = (on) => () => zone.classList.toggle("over", on);
  document.addEventListener("dragover", whenShown(over(true)));
  document.addEventListener("dragleave", whenShown(over(false)));
  document.addEventListener(
    "drop",
    whenShown((event) => {
      over(false)();
      accepted(event.dataTransfer.files);
    }),
  );
}

function urlForm(onURL) {
  const input = el("input", {
    type: "url",
    name: "url",
    required: true,
    pattern: "https?://.+",
    placeholder: "https://…",
    "aria-label": "URL",
    title: "A URL that starts with http:// or https://",
  });
  const submit = (event) => {
    event.preventDefault();
    onURL(input.value.trim());
  };
  const form = el(
    "form",
    { class: "url", onsubmit: submit },
    input,
    el("button", { type: "submit" }, "Fetch URL"),
  );
  info()
    .then(({ urls }) => (form.hidden = urls === false))
    .catch(() => null); // the footer shows the error
  return form;
}
