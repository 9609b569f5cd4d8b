/** Texts of the first visit: examples and the tour. */

export default {
  "examples.title": "Or try an example",
  "examples.portrait": "A real portrait",
  "examples.swapped": "The same, with a swapped face",
  "examples.credit": "Eileen Collins, by NASA (public domain). In the other image we swapped her face for its own mirror image.",
  "tour.step": "Step {step} of {count}",
  "tour.next": "Next",
  "tour.done": "Done",
  "tour.skip": "Skip the tour",
  "tour.choose.title": "Choose a file, or try an example",
  "tour.choose.text": "Drop images or a video anywhere on this page. Each file finds its panel.",
  "tour.read.title": "Read the verdict with its caveat",
  "tour.read.text":
    "A score is an estimate and no proof. Each verdict says what was not looked for. “What these scores mean” at the bottom explains more.",
  "tour.keep.title": "Look closer, and keep a report",
  "tour.keep.text":
    "Below a result you can see where its score comes from, print or download a report, and say that a verdict is wrong.",
};
