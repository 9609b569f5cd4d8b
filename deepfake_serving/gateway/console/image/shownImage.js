/** The image behind a verdict: the file itself, or the service's copy, where the browser can't show the file. */

import { modelParameters, withQuery } from "../components/modelChoice.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";

/** Beginnings of TIFF, HEIC and AVIF; browsers show the others that the service reads. */
const DOUBTFUL = /^(II\*\0|MM\0\*|.{4}ftyp)/s;
const HEAD_BYTES = 8;

/**
 * Returns the path of the request that analyses an image: with a copy, where the browser can't show it.
 * @param {File|string} source a file, or a URL, which the service fetches
 * @returns {Promise<string>}
 */
export async function analysisPath(source) {
  const shown = typeof source !== "string" && (await canShow(source));
  return withQuery("/v1/images", { ...modelParameters(), ...(shown ? {} : { preview: true }) });
}

async function canShow(file) {
  const head = await file.slice(0, HEAD_BYTES).arrayBuffer();
  if (!DOUBTFUL.test(String.fromCharCode(...new Uint8Array(head)))) return true;
  return decoded(file).then(
    () => true,
    () => false,
  );
}

/** Parts the copy from a response: verdicts are kept, downloaded and printed without it. */
export function partCopy({ preview, ...verdict }) {
  if (!preview) return { verdict, copy: null };
  const bytes = Uint8Array.from(atob(preview.split(",")[1]), (character) => character.charCodeAt(0));
  return { verdict, copy: new Blob([bytes], { type: "image/jpeg" }) };
}

/**
 * @param {Object} analysis of image/analyses.js
 * @returns {Promise<{media: Element|null, note: string|null}>} the image, and why it is not the file itself
 */
export async function shownImage({ name, image, copy }) {
  const alt = t("image.alt", { name });
  try {
    if (image) return { media: await decoded(image, alt), note: null };
  } catch {} // the browser can't show this format
  const reason = t(image ? "image.unshown" : "image.fetched");
  if (!copy) return { media: null, note: `${reason} ${t("image.positions")}` };
  return { media: await decoded(copy, alt), note: `${reason} ${t("image.copy")}` };
}

async function decoded(file, alt = "") {
  const url = URL.createObjectURL(file);
  const media = el("img", { alt, src: url });
  try {
    await media.decode();
    return media;
  } finally {
    URL.revokeObjectURL(url); // the decoded image stays
  }
}
