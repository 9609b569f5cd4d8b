/** Video panel: submits a video; its progress and result are shown on the job's own page. */

import { info, mediaBody } from "../api/client.js";
import { el } from "../lib/dom.js";
import { bytes } from "../lib/format.js";
import { videoOptions } from "./videoOptions.js";
import { mediaPicker } from "../components/mediaPicker.js";
import { localProblem, problemCard } from "../api/problems.js";
import { upload } from "../api/upload.js";

export function videoPanel() {
  const options = videoOptions();
  const output = el("div", { class: "output" });
  let running = new AbortController();
  const element = el(
    "div",
    {},
    el(
      "p",
      { class: "lede" },
      "Every face of a video, over time. The analysis continues when you close this page; its link leads back to it.",
    ),
    mediaPicker({
      what: "a video",
      accept: "video/*,.mkv,.ts,.mts,.m2ts,.mxf,.gif,.apng,.avif",
      onFiles: ([file]) => submit(file),
      onURL: (url) => submit(url),
    }),
    options.element,
    output,
  );

  async function submit(source) {
    running.abort();
    const { signal } = (running = new AbortController());
    try {
      await checkSize(source);
      const sending = uploadProgress(source, () => running.abort());
      output.replaceChildren(sending.element);
      const job = await upload(`/v1/videos${options.query()}`, mediaBody(source), sending.show, signal);
      output.replaceChildren();
      if (element.isConnected) location.hash = `#/jobs/${encodeURIComponent(job.id)}`;
      else
        output.replaceChildren(
          el("p", {}, el("a", { href: `#/jobs/${encodeURIComponent(job.id)}` }, "Open the last analysis")),
        );
    } catch (error) {
      if (error.name === "AbortError")
        output.replaceChildren(el("p", { class: "notice" }, "The upload was stopped."));
      else output.replaceChildren(problemCard(error, () => submit(source)));
    }
  }

  return { title: "Video", open: () => element };
}

/** Rejects a file that is too large before it is sent. */
async function checkSize(source) {
  const { limits } = await info();
  if (source.size > limits.max_video_bytes) {
    throw localProblem(
      "too-large",
      "Too large",
      `${source.name} has ${bytes(source.size)}; the limit is ${bytes(limits.max_video_bytes)}.`,
    );
  }
}

function uploadProgress(source, onStop) {
  const bar = el("progress", { max: 1, "aria-label": "Upload" });
  const text = el(
    "p",
    { role: "status" },
    typeof source === "string" ? "Submitting the URL …" : `Uploading ${source.name} …`,
  );
  const stop = el("button", { type: "button", onclick: onStop }, "Stop");
  let shown = "";
  const show = (share) => {
    bar.value = share;
    const percent = `${Math.floor(share * 10) * 10} %`; // announced in steps of ten per cent
    const message =
      share < 1
        ? `Uploading ${source.name}: ${percent} of ${bytes(source.size)}`
        : "Uploaded. Waiting for the service to accept it …";
    if (typeof source !== "string" && message !== shown) text.textContent = shown = message;
  };
  return { element: el("div", { class: "card progress-card" }, text, bar, stop), show };
}
