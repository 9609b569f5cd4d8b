/** Small images of files and of stored results, for lists. */

import { setSource } from "../api/mediaSource.js";
import { el } from "./dom.js";

const SIZE = 96; // pixels; full-size images would use too much memory

/** Returns an element that shows a file once it is decoded. @param {Blob|null} file */
export function thumbnailOf(file) {
  const element = frame();
  const none = () => element.classList.add("none");
  if (file) draw(file).then((canvas) => element.append(canvas), none);
  else none();
  return element;
}

/** Returns an element that shows an image of the service. @param {string|null|undefined} path */
export function storedThumbnail(path) {
  const element = frame();
  if (!path) {
    element.classList.add("none");
    return element;
  }
  const image = el("img", { alt: "", width: 48, height: 48, loading: "lazy" });
  image.addEventListener("error", () => {
    image.remove();
    element.classList.add("none");
  });
  element.append(setSource(image, path));
  return element;
}

function frame() {
  return el("span", { class: "thumbnail", "aria-hidden": "true" });
}

async function draw(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = SIZE / Math.max(bitmap.width, bitmap.height);
  const canvas = el("canvas", {
    width: Math.ceil(bitmap.width * scale),
    height: Math.ceil(bitmap.height * scale),
    "aria-hidden": "true",
  });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}
