/** Images and videos stored by the service. With an API key they are fetched, as `src` can't send one. */

import { request, urlFor } from "./client.js";
import { apiKey } from "./apiKey.js";

/** Sets the element's `src`. A failed fetch dispatches an `error` event, as a failed load does. */
export function setSource(element, path) {
  if (!apiKey()) {
    element.src = urlFor(path);
    return element;
  }
  request(path)
    .then((response) => response.blob())
    .then((blob) => (element.src = URL.createObjectURL(blob)))
    .catch(() => element.dispatchEvent(new Event("error")));
  return element;
}
