/** Enlarges a thumbnail while the pointer or the focus is on it. */

import { el } from "./dom.js";

const MARGIN = 12; // pixels to the window's edge and to the thumbnail

let enlarged = null;

/**
 * @param {Element} target element that receives the pointer or focus and holds the thumbnail
 * @param {HTMLImageElement} thumbnail
 */
export function zoomable(target, thumbnail) {
  target.addEventListener("pointerenter", () => show(thumbnail));
  target.addEventListener("focus", () => show(thumbnail));
  target.addEventListener("pointerleave", hide);
  target.addEventListener("blur", hide);
}

function show(thumbnail) {
  hide();
  if (!thumbnail.naturalWidth) return;
  enlarged = el("img", { class: "zoomed", src: thumbnail.src, alt: "" });
  document.body.append(enlarged);
  place(thumbnail);
}

function hide() {
  enlarged?.remove();
  enlarged = null;
}

addEventListener("scroll", hide, { passive: true });
addEventListener("hashchange", hide);
addEventListener("keydown", ({ key }) => key === "Escape" && hide());

/** Places the enlarged image above or below the thumbnail, where there is more space. */
function place(thumbnail) {
  const { top, bottom, left, width } = thumbnail.getBoundingClientRect();
  const { naturalWidth, naturalHeight } = thumbnail;
  const space = Math.max(top, innerHeight - bottom) - 2 * MARGIN;
  const scale = Math.min((innerWidth - 2 * MARGIN) / naturalWidth, space / naturalHeight, 2.5);
  const [wide, tall] = [naturalWidth * scale, naturalHeight * scale];
  const x = Math.min(Math.max(left + width / 2 - wide / 2, MARGIN), innerWidth - wide - MARGIN);
  const y = top > innerHeight - bottom ? top - tall - MARGIN : bottom + MARGIN;
  Object.assign(enlarged.style, { width: `${wide}px`, height: `${tall}px`, left: `${x}px`, top: `${y}px` });
}
