/** Where media come in: dropped, pasted or chosen files, or a URL. */

import { info } from "./api.js";
import { el } from "./dom.js";

/**
 * @param {string} what what is wanted, as in "Drop a picture here"
 * @param {string} accept media types of the file chooser
 * @param {boolean} several whether more than one file is taken
 * @param {Function} onFiles is called with a list of files
 * @param {Function} [onURL] is called with a URL
 */
export function picker({ what, accept, several = false, onFiles, onURL = null }) {
  const input = el("input", { type: "file", accept, multiple: several, class: "unseen" });
  const zone = el(
    "label",
    { class: "drop" },
    input,
    el("span", { class: "drop-title" }, `Drop ${what} here, or choose ${several ? "files" : "a file"}`),
    el("span", { class: "fine" }, "You can also paste from the clipboard."),
  );
  const element = el("div", { class: "picker" }, zone, onURL ? urlForm(onURL) : null);
  const take = (files) => files.length && onFiles(several ? [...files] : [files[0]]);

  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // the same file may be chosen again
  });
  catchDrops(element, zone, take);
  document.addEventListener("paste", (event) => {
    if (!element.isConnected || event.target.closest("input, textarea")) return;
    const url = event.clipboardData.getData("text").trim();
    if (event.clipboardData.files.length) take(event.clipboardData.files);
    else if (onURL && /^https?:\/\/\S+$/.test(url)) onURL(url);
  });
  return element;
}

/** The whole page takes a drop: a file that misses the zone must not replace the page. */
function catchDrops(element, zone, take) {
  const shown = (handle) => (event) => {
    if (!element.isConnected) return;
    event.preventDefault();
    handle(event);
  };
  const over = (is) => () => zone.classList.toggle("over", is);
  document.addEventListener("dragover", shown(over(true)));
  document.addEventListener("dragleave", shown(over(false)));
  document.addEventListener(
    "drop",
    shown((event) => {
      over(false)();
      take(event.dataTransfer.files);
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
    title: "An address that starts with http:// or https://",
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
    .catch(() => null); // the foot says so
  return form;
}
