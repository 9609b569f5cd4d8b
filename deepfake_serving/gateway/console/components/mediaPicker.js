/** Media input: chosen files or a URL. Drops and pastes are taken by the whole page. */

import { info } from "../api/client.js";
import { modelChoice } from "./modelChoice.js";
import { limitOf } from "../files/fileLimits.js";
import { routeFiles } from "../files/fileRouter.js";
import { el } from "../lib/dom.js";
import { bytes } from "../lib/format.js";
import { t } from "../messages.js";

/** By name too, for types that the browser doesn't know. */
const ACCEPT = {
  image: "image/*,.heic,.heif,.avif,.tif,.tiff",
  video: "video/*,.mkv,.ts,.mts,.m2ts,.mxf,.gif,.apng,.avif",
};

/**
 * @param {string} panel `image`, `batch` or `video`
 * @param {Function} [onURL] called with a URL
 */
export function mediaPicker(panel, onURL = null) {
  const kind = panel === "video" ? "video" : "image";
  const limit = el("span", { class: "fine-print" }, t("picker.paste"));
  const zone = el(
    "label",
    { class: "drop-zone" },
    fileInput({ accept: ACCEPT[kind] }),
    el("span", { class: "drop-title" }, t(`picker.${panel}`)),
    limit,
  );
  limitOf(kind).then((size) => {
    if (Number.isFinite(size)) limit.append(` ${t(`picker.limit-${kind}`, { limit: bytes(size) })}`);
  });
  return el(
    "div",
    { class: "picker" },
    zone,
    panel === "batch" ? folderChooser() : null,
    onURL ? urlForm(onURL) : null,
    modelChoice(`model-${panel}`),
  );
}

/** A file of another kind may be chosen, too: `accept` is only where the chooser begins. */
function fileInput(properties) {
  const change = ({ target }) => {
    if (target.files.length) routeFiles([...target.files]);
    target.value = ""; // the same file may be chosen again
  };
  return el("input", { type: "file", multiple: true, class: "visually-hidden", onchange: change, ...properties });
}

function folderChooser() {
  const open = () => fileInput({ webkitdirectory: true }).click();
  return el("div", {}, el("button", { type: "button", onclick: open }, t("picker.folder")));
}

function urlForm(onURL) {
  const input = el("input", {
    type: "url",
    name: "url",
    required: true,
    pattern: "https?://.+",
    placeholder: "https://…",
    "aria-label": t("picker.url"),
    title: t("picker.url-title"),
  });
  const submit = (event) => {
    event.preventDefault();
    onURL(input.value.trim());
  };
  const form = el(
    "form",
    { class: "url", onsubmit: submit },
    input,
    el("button", { type: "submit" }, t("picker.fetch")),
  );
  info()
    .then(({ urls }) => (form.hidden = urls === false))
    .catch(() => null); // the footer shows the error
  return form;
}
