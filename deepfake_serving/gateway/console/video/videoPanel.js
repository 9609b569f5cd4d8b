/** Video panel: submits videos; their progress and results are shown on each job's own page. */

import { mediaPicker } from "../components/mediaPicker.js";
import { modelParameters, withQuery } from "../components/modelChoice.js";
import { registerPanel } from "../files/fileRouter.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";
import { uploadList } from "./uploadList.js";
import { videoOptions } from "./videoOptions.js";

export function videoPanel() {
  const options = videoOptions();
  const uploads = uploadList();
  const submit = (sources) => uploads.add(sources, withQuery("/v1/videos", { ...options.parameters(), ...modelParameters() }), element);
  const element = el(
    "div",
    {},
    el("p", { class: "lede" }, t("video.lede")),
    mediaPicker("video", (url) => submit([url])),
    options.element,
    uploads.element,
  );
  registerPanel("video", { onFiles: submit, onURL: (url) => submit([url]) });
  return { title: t("panel.video"), open: () => element };
}
