/** Videos on their way to the service, one after the other. */

import { mediaBody } from "../api/client.js";
import { problemCard } from "../api/problems.js";
import { RESUMABLE_BYTES, resumableUpload } from "../api/resumableUpload.js";
import { upload } from "../api/upload.js";
import { uploadProgress } from "../components/uploadProgress.js";
import { checkFile } from "../files/fileLimits.js";
import { el } from "../lib/dom.js";
import { guard } from "../lib/leaveGuard.js";
import { t } from "../messages.js";

/** @returns {{element, add(sources, target, panel)}} */
export function uploadList() {
  const element = el("div", { class: "output uploads" });
  let [last, waiting] = [Promise.resolve(), 0];

  /** Queues files or URLs for a path of the API. A single one opens its job; several stay here as links. */
  function add(sources, target, panel) {
    if (!waiting) element.replaceChildren();
    for (const source of sources) {
      waiting += 1;
      const alone = waiting === 1 && sources.length === 1;
      const item = uploadItem(source, target, (path) => {
        if (alone && waiting <= 1 && panel.isConnected) location.hash = path;
      });
      element.append(item.element);
      last = guard(last.then(item.start)).then(() => (waiting -= 1));
    }
  }

  return { element, add };
}

function send(source, target, progress, signal) {
  if (source.size >= RESUMABLE_BYTES) return resumableUpload(target, source, progress, signal);
  return upload(target, mediaBody(source), progress, signal);
}

/** @param {Function} onJob called with the path of the job's page */
function uploadItem(source, target, onJob) {
  const name = typeof source === "string" ? source : source.name || t("files.pasted");
  const controller = new AbortController();
  const stop = () => controller.abort(new DOMException("stopped", "AbortError"));
  const sending = uploadProgress(source, t("upload.accepting"), stop);
  const queued = el(
    "div",
    { class: "notice undo" },
    el("p", {}, t("upload.waiting", { name })),
    el("button", { type: "button", onclick: stop }, t("action.stop")),
  );
  const element = el("div", { class: "upload" }, queued);
  controller.signal.addEventListener("abort", () =>
    element.replaceChildren(el("p", { class: "notice" }, t("upload.stopped-name", { name }))),
  );

  async function start() {
    if (controller.signal.aborted) return;
    element.replaceChildren(sending.element);
    try {
      await checkFile(source, "video");
      const job = await send(source, target, sending.show, controller.signal);
      const path = `#/jobs/${encodeURIComponent(job.id)}`;
      const link = el("a", { href: path }, t("upload.open", { name }));
      element.replaceChildren(el("p", { class: "notice" }, link));
      onJob(path);
    } catch (error) {
      if (error.name !== "AbortError") element.replaceChildren(problemCard(error, start, name));
    }
  }

  return { element, start };
}
