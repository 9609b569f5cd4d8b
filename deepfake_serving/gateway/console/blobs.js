/** Pictures and videos of the service. With an API key they are fetched, as `src` can't send one. */

import { at, send } from "./api.js";
import { apiKey } from "./key.js";

/** Sets the element's source; an error of fetching is told like one of showing. */
export function source(element, path) {
  if (!apiKey()) {
    element.src = at(path);
    return element;
  }
  send(path)
    .then((reply) => reply.blob())
    .then((blob) => (element.src = URL.createObjectURL(blob)))
    .catch(() => element.dispatchEvent(new Event("error")));
  return element;
}
