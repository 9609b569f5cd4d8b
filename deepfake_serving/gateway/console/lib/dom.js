/** Builds DOM elements. Text is only ever set as text, so that nothing untrusted becomes HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name the tag
 * @param {Object} properties attributes; `on…` adds a listener; null and false are left out
 * @param {...(Node|string|null)} children strings become text
 */
export function el(name, properties = {}, ...children) {
  return build(document.createElement(name), properties, children);
}

export function svg(name, properties = {}, ...children) {
  return build(document.createElementNS(SVG, name), properties, children);
}

function build(element, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Announces a short text to screen readers. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Builds a description list from pairs of term and value; pairs without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el(
    "dl",
    { class: "facts" },
    known.map(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]).flat(),
  );
}
