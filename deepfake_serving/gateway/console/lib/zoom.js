/** Enlarges a thumbnail while the mouse or the keyboard's focus is on it; a finger's tap only chooses. */

import { el } from "./dom.js";

const MARGIN = 12; // pixels to the window's edge and to the thumbnail

let [enlarged, source] = [null, null];

/**
 * @param {Element} target element that receives the pointer or focus and holds the thumbnail
 * @param {HTMLImageElement} thumbnail
 */
export function zoomable(target, thumbnail) {
  target.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && show(thumbnail));
  target.addEventListener("focus", () => target.matches(":focus-visible") && show(thumbnail));
  target.addEventListener("pointerleave", hide);
  target.addEventListener("blur", hide);
}

function show(thumbnail) {
  hide();
  if (!thumbnail.naturalWidth) return;
  enlarged = el("img", { class: "zoomed", src: thumbnail.src, alt: "" });
  source = thumbnail;
  document.body.append(enlarged);
  place();
}

function hide() {
  enlarged?.remove();
  [enlarged, source] = [null, null];
}

/** Follows the thumbnail: the focus itself may scroll the page. */
function follow() {
  if (!enlarged) return;
  const { top, bottom } = source.getBoundingClientRect();
  if (!source.isConnected || bottom < 0 || top > innerHeight) hide();
  else place();
}

addEventListener("scroll", follow, { passive: true });
addEventListener("hashchange", hide);
addEventListener("pointerdown", hide);
addEventListener("keydown", ({ key }) => key === "Escape" && hide());

/** Places the enlarged image above or below the thumbnail, where there is more space. */
function place() {
  const { top, bottom, left, width } = source.getBoundingClientRect();
  const { naturalWidth, naturalHeight } = source;
  const space = Math.max(top, innerHeight - bottom) - 2 * MARGIN;
  const scale = Math.min((innerWidth - 2 * MARGIN) / naturalWidth, space / naturalHeight, 2.5);
  const [wide, tall] = [naturalWidth * scale, naturalHeight * scale];
  const x = Math.min(Math.max(left + width / 2 - wide / 2, MARGIN), innerWidth - wide - MARGIN);
  const y = top > innerHeight - bottom ? top - tall - MARGIN : bottom + MARGIN;
  Object.assign(enlarged.style, { width: `${wide}px`, height: `${tall}px`, left: `${x}px`, top: `${y}px` });
}
