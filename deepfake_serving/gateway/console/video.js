/** A video is handed in here; what becomes of it is told on the job's own page. */

import { info, medium } from "./api.js";
import { el } from "./dom.js";
import { bytes } from "./format.js";
import { videoOptions } from "./options.js";
import { picker } from "./picker.js";
import { localProblem, problemCard } from "./problems.js";
import { upload } from "./upload.js";

export function videoPanel() {
  const options = videoOptions();
  const answer = el("div", { class: "answer" });
  let running = new AbortController();
  const element = el(
    "div",
    {},
    el(
      "p",
      { class: "lede" },
      "Every face of a video, over time. The analysis goes on when you close this page; its address brings you back.",
    ),
    picker({
      what: "a video",
      accept: "video/*",
      onFiles: ([file]) => submit(file),
      onURL: (url) => submit(url),
    }),
    options.element,
    answer,
  );

  async function submit(source) {
    running.abort();
    const { signal } = (running = new AbortController());
    try {
      await fits(source);
      const sending = progressOf(source, () => running.abort());
      answer.replaceChildren(sending.element);
      const job = await upload(`/v1/videos${options.query()}`, medium(source), sending.show, signal);
      answer.replaceChildren();
      if (element.isConnected) location.hash = `#/jobs/${encodeURIComponent(job.id)}`;
      else
        answer.replaceChildren(
          el("p", {}, el("a", { href: `#/jobs/${encodeURIComponent(job.id)}` }, "Open the last analysis")),
        );
    } catch (error) {
      if (error.name === "AbortError")
        answer.replaceChildren(el("p", { class: "notice" }, "The upload was stopped."));
      else answer.replaceChildren(problemCard(error, () => submit(source)));
    }
  }

  return { title: "Video", open: () => element };
}

/** A file that would be refused at its end isn't sent at all. */
async function fits(source) {
  const { limits } = await info();
  if (source.size > limits.max_video_bytes) {
    throw localProblem(
      "too-large",
      "Too large",
      `${source.name} has ${bytes(source.size)}; the bound is ${bytes(limits.max_video_bytes)}.`,
    );
  }
}

function progressOf(source, onStop) {
  const bar = el("progress", { max: 1, "aria-label": "Upload" });
  const words = el(
    "p",
    { role: "status" },
    typeof source === "string" ? "Handing in the address …" : `Sending ${source.name} …`,
  );
  const stop = el("button", { type: "button", onclick: onStop }, "Stop");
  let told = "";
  const show = (share) => {
    bar.value = share;
    const percent = `${Math.floor(share * 10) * 10} %`; // each tenth is spoken, not each packet
    const text =
      share < 1
        ? `Sending ${source.name}: ${percent} of ${bytes(source.size)}`
        : "Sent. Waiting for the service to take it …";
    if (typeof source !== "string" && text !== told) words.textContent = told = text;
  };
  return { element: el("div", { class: "card progress-card" }, words, bar, stop), show };
}
