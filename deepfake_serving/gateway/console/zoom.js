/** A larger view of a small picture, while the pointer or the focus is on it. */

import { el } from "./dom.js";

const MARGIN = 12; // pixels to the window's edge and to the small picture

let large = null;

/**
 * @param {Element} target what is pointed at or focused; holds the small picture
 * @param {HTMLImageElement} picture
 */
export function zoomable(target, picture) {
  target.addEventListener("pointerenter", () => show(picture));
  target.addEventListener("focus", () => show(picture));
  target.addEventListener("pointerleave", hide);
  target.addEventListener("blur", hide);
}

function show(picture) {
  hide();
  if (!picture.naturalWidth) return;
  large = el("img", { class: "zoomed", src: picture.src, alt: "" });
  document.body.append(large);
  place(picture);
}

function hide() {
  large?.remove();
  large = null;
}

addEventListener("scroll", hide, { passive: true });
addEventListener("hashchange", hide);
addEventListener("keydown", ({ key }) => key === "Escape" && hide());

/** Above the small picture where there is more room, else below. */
function place(picture) {
  const { top, bottom, left, width } = picture.getBoundingClientRect();
  const { naturalWidth, naturalHeight } = picture;
  const room = Math.max(top, innerHeight - bottom) - 2 * MARGIN;
  const scale = Math.min((innerWidth - 2 * MARGIN) / naturalWidth, room / naturalHeight, 2.5);
  const [wide, tall] = [naturalWidth * scale, naturalHeight * scale];
  const x = Math.min(Math.max(left + width / 2 - wide / 2, MARGIN), innerWidth - wide - MARGIN);
  const y = top > innerHeight - bottom ? top - tall - MARGIN : bottom + MARGIN;
  Object.assign(large.style, { width: `${wide}px`, height: `${tall}px`, left: `${x}px`, top: `${y}px` });
}
