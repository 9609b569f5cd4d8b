/** Small images of files and of stored results, for lists. */

import { request } from "../api/client.js";
import { setSource } from "../api/mediaSource.js";
import { el } from "./dom.js";

const SIZE = 96; // pixels; full-size images would use too much memory

/** Returns an element that shows a file once it is decoded. @param {Blob|null} file */
export function thumbnailOf(file) {
  const element = frame();
  if (file) show(element, draw(file));
  else element.classList.add("none");
  return element;
}

/** Returns an element that shows an uploaded image once it is scrolled into view, as its file may be large. */
export function uploadedThumbnail(path) {
  const element = frame();
  const fetched = async () => draw(await (await request(path)).blob());
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    show(element, fetched());
  });
  observer.observe(element);
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

/** @param {Promise<Element>} drawn rejected where the browser can't show the file */
function show(element, drawn) {
  drawn.then(
    (canvas) => element.append(canvas),
    () => element.classList.add("none"),
  );
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
