/** Brings every file to the panel that can analyse it, wherever it was dropped, pasted or chosen. */

import { announce } from "../lib/dom.js";
import { t } from "../messages.js";
import { droppedFiles } from "./droppedFiles.js";
import { kindOf, mayBeAnimated } from "./fileKinds.js";

const panels = {};

/** @param {{onFiles, onURL}} handlers of a panel: `image`, `batch` or `video` */
export function registerPanel(name, handlers) {
  panels[name] = handlers;
}

function shownPanel() {
  return location.hash.startsWith("#/") ? location.hash.slice(2).split("/")[0] : "image";
}

/** Hands files to their panels. What is neither image nor video goes to the panel that is shown. */
export function routeFiles(files) {
  const shown = shownPanel();
  const onVideo = (file) => shown === "video" && (!kindOf(file) || mayBeAnimated(file));
  const videos = files.filter((file) => kindOf(file) === "video" || onVideo(file));
  const images = files.filter((file) => !videos.includes(file));
  if (images.length) give(images.length > 1 || shown === "batch" ? "batch" : "image", images, shown);
  if (videos.length) give("video", videos, images.length ? "batch" : shown);
}

function give(panel, files, shown) {
  if (panel !== shown) {
    location.hash = `#/${panel}`;
    announce(t("files.moved", { count: files.length, panel: t(`panel.${panel}`) }));
  }
  panels[panel].onFiles(files);
}

function routeText(text) {
  const { onURL } = panels[shownPanel()] ?? {};
  if (onURL && /^https?:\/\/\S+$/.test(text)) onURL(text);
}

/** Accepts drops and pastes on the whole page: a file that misses would replace the page. */
export function acceptFilesAnywhere() {
  const over = (on) => document.documentElement.classList.toggle("dropping", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(false);
    const files = await droppedFiles(event.dataTransfer);
    if (files.length) routeFiles(files);
  });
  document.addEventListener("paste", (event) => {
    if (event.target.closest("input, textarea, dialog")) return;
    if (event.clipboardData.files.length) routeFiles([...event.clipboardData.files]);
    else routeText(event.clipboardData.getData("text").trim());
  });
}
