/** What scores and verdicts mean, and what they don't. */

import { info } from "./api.js";
import { el, facts } from "./dom.js";
import { bytes, span } from "./format.js";
import { asProblem } from "./problems.js";
import { badge, meter, VERDICTS } from "./verdicts.js";

const RANGES = { real: "below 0.40", suspicious: "0.40 to 0.60", fake: "above 0.60", no_face: "no score" };
const QUESTIONS = [
  [
    "Where does a score come from?",
    "Faces are found, cut out and judged one by one. A model that was trained on real and swapped faces looks at their texture and noise. Its output is calibrated: of many faces like those it was calibrated on that score 0.80, about eight in ten are fakes.",
  ],
  [
    "Is a score proof?",
    "No. It is one expert's opinion, and this expert can't explain itself. Forgeries by methods that didn't exist when the model was trained can score low; honest pictures that were compressed, filtered or retouched can score high. Don't accuse anyone by a score alone.",
  ],
  ["What is the score of a picture?", "That of its highest face. Look at the faces one by one."],
  [
    "What is the score of a video?",
    "As it is set: the mean over a face's frames, the highest face of a shot, the highest shot. One suspicious shot among many is worth a look of its own; a single high frame rarely is.",
  ],
  [
    "What isn't looked at?",
    "Anything that isn't a face: voices, hands, backgrounds, captions, and whether a real picture is shown in a false context.",
  ],
];

export function aboutPanel() {
  return { title: "What these scores mean", open };
}

function open() {
  const verdicts = Object.entries(VERDICTS).map(([word, { meaning, limits }]) =>
    el(
      "section",
      { class: "card" },
      el("h2", {}, badge(word)),
      el("p", { class: "fine" }, RANGES[word]),
      el("p", {}, meaning),
      el("p", {}, limits),
    ),
  );
  const questions = QUESTIONS.map(([question, text]) =>
    el("section", {}, el("h2", {}, question), el("p", {}, text)),
  );
  const bounds = el("div");
  info().then(
    (known) => bounds.replaceChildren(boundsOf(known)),
    (error) => bounds.replaceChildren(el("p", {}, asProblem(error).title)),
  );
  return el(
    "article",
    { class: "about" },
    el(
      "p",
      { class: "lede" },
      "A score says how likely a face was swapped or generated, from 0, real, to 1, fake.",
    ),
    el("div", { class: "example" }, meter(0.5)),
    el("div", { class: "cards" }, verdicts),
    questions,
    el("section", {}, el("h2", {}, "This service"), bounds),
  );
}

function boundsOf({ version, limits }) {
  return facts([
    ["Version", version],
    ["Largest picture", bytes(limits.max_image_bytes)],
    ["Largest video", bytes(limits.max_video_bytes)],
    ["Longest video", limits.max_video_s ? span(limits.max_video_s) : null],
  ]);
}
