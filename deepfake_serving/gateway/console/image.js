/** One picture: chosen, judged, shown with its faces. */

import { judgeImage } from "./api.js";
import { technical } from "./details.js";
import { announce, el } from "./dom.js";
import { faceList } from "./faces.js";
import { many, score } from "./format.js";
import { picker } from "./picker.js";
import { problemCard } from "./problems.js";
import { saveButtons } from "./save.js";
import { recall, remember } from "./session.js";
import { stage } from "./stage.js";
import { finding, untrainedWarning, VERDICTS } from "./verdicts.js";

export function imagePanel() {
  const answer = el("div", { class: "answer" });
  let running = new AbortController();
  const input = picker({
    what: "a picture",
    accept: "image/*",
    onFiles: ([file]) => judge(file),
    onURL: (url) => judge(url),
  });
  const lede = el("p", { class: "lede" }, "How likely was each face in a picture swapped or generated?");
  const element = el("div", {}, lede, input, answer);

  async function judge(source) {
    running.abort();
    const { signal } = (running = new AbortController());
    const [name, picture] = typeof source === "string" ? [source, null] : [source.name, source];
    answer.replaceChildren(el("p", { class: "busy", role: "status" }, `Judging ${name} …`));
    try {
      const verdict = await judgeImage(source, signal);
      const id = remember(name, verdict, picture);
      await show(recall(id));
    } catch (error) {
      if (error.name !== "AbortError") answer.replaceChildren(problemCard(error, () => judge(source)));
    }
  }

  async function show(analysis) {
    answer.replaceChildren(await result(analysis));
    const { verdict, fake_probability: p, faces } = analysis.verdict;
    const figure = p === null ? "" : `, score ${score(p)}, ${many(faces.length, "face")}`;
    announce(`${analysis.name}: ${VERDICTS[verdict].word}${figure}`);
  }

  function open(id) {
    if (id === null) return element;
    const analysis = recall(id);
    if (analysis) show(analysis);
    else
      answer.replaceChildren(
        el(
          "p",
          { class: "notice" },
          "Analyses of pictures are kept by this page only, until it is closed or reloaded. This one is gone: send the picture again.",
        ),
      );
    return element;
  }

  return { title: "Image", open };
}

async function result({ name, verdict, picture }) {
  const { shown, note } = await pictured(picture, name);
  const view = stage(shown, verdict.width, verdict.height);
  const numbered = verdict.faces.length > 1;
  view.draw(
    verdict.faces,
    verdict.faces.map((_, place) => (numbered ? `${place + 1} · ` : "")),
  );
  const caption = el(
    "figcaption",
    {},
    el("span", { class: "name" }, name),
    note ? el("span", { class: "fine" }, note) : null,
  );
  const subject = numbered ? "is the score of its highest face" : "is the score of its face";
  return el(
    "article",
    { class: "result" },
    el("figure", {}, view.element, caption),
    el(
      "div",
      { class: "words" },
      finding(verdict.verdict, verdict.fake_probability, subject),
      untrainedWarning(verdict.model),
      faceList(verdict.faces, view.highlight),
      technical(verdict),
      saveButtons("verdict", verdict),
    ),
  );
}

/** The picture itself, or why it can't be seen. */
async function pictured(picture, name) {
  if (!picture) {
    return {
      shown: null,
      note: "The service fetched this picture; your browser did not, so only the places of the faces are drawn.",
    };
  }
  const url = URL.createObjectURL(picture);
  const shown = el("img", { alt: `The judged picture, ${name}`, src: url });
  try {
    await shown.decode();
    return { shown, note: null };
  } catch {
    return {
      shown: null,
      note: "Your browser can't show this format; only the places of the faces are drawn.",
    };
  } finally {
    URL.revokeObjectURL(url); // what was decoded stays
  }
}
