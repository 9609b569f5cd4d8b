/** About panel: what scores and verdicts mean, and what they don't. */

import { info } from "../api/client.js";
import { el, facts } from "../lib/dom.js";
import { bytes, duration } from "../lib/format.js";
import { asProblem } from "../api/problems.js";
import { badge, meter, VERDICTS } from "../components/verdicts.js";

const RANGES = { real: "below 0.40", suspicious: "0.40 to 0.60", fake: "above 0.60", no_face: "no score" };
const QUESTIONS = [
  [
    "Where does a score come from?",
    "Faces are detected, cropped and scored one by one. A model trained on real and swapped faces analyses their texture and noise. Its output is calibrated: of many faces like those it was calibrated on that score 0.80, about eight in ten are fakes.",
  ],
  [
    "Is a score proof?",
    "No. It is one model's estimate, and the model can't explain it. Forgeries by methods that didn't exist when the model was trained can score low; genuine images that were compressed, filtered or retouched can score high. Don't accuse anyone by a score alone.",
  ],
  ["What is the score of an image?", "That of its face. Of several, a mean in which the highest count most: it stays low for many real faces, and one sure fake among them still shows. Look at the faces one by one."],
  [
    "What is the score of a video?",
    "By default: the mean over a face's frames, then the highest face of a shot, then the highest shot. One suspicious shot among many is worth a look of its own; a single high frame rarely is.",
  ],
  [
    "What isn't analysed?",
    "Anything that isn't a face: voices, hands, backgrounds, captions, and whether a real image is shown in a false context.",
  ],
];

export function aboutPanel() {
  return { title: "What these scores mean", open };
}

function open() {
  const verdicts = Object.entries(VERDICTS).map(([verdict, { meaning, caveat }]) =>
    el(
      "section",
      { class: "card" },
      el("h2", {}, badge(verdict)),
      el("p", { class: "fine-print" }, RANGES[verdict]),
      el("p", {}, meaning),
      el("p", {}, caveat),
    ),
  );
  const questions = QUESTIONS.map(([question, text]) =>
    el("section", {}, el("h2", {}, question), el("p", {}, text)),
  );
  const limits = el("div");
  info().then(
    (service) => limits.replaceChildren(limitsList(service)),
    (error) => limits.replaceChildren(el("p", {}, asProblem(error).title)),
  );
  return el(
    "article",
    { class: "about" },
    el(
      "p",
      { class: "lede" },
      "A score says how likely a face was swapped for another, from 0, real, to 1, fake.",
    ),
    el("div", { class: "example" }, meter(0.5)),
    el("div", { class: "cards" }, verdicts),
    questions,
    el("section", {}, el("h2", {}, "This service"), limits),
  );
}

function limitsList({ version, limits }) {
  return facts([
    ["Version", version],
    ["Largest image", bytes(limits.max_image_bytes)],
    ["Largest video", bytes(limits.max_video_bytes)],
    ["Longest video", limits.max_video_s ? duration(limits.max_video_s) : null],
  ]);
}
