/** Asks before the page is left while something is being sent. */

let busy = 0;

/** @param {Promise} work that leaving the page would end */
export async function guard(work) {
  busy += 1;
  try {
    return await work;
  } finally {
    busy -= 1;
  }
}

addEventListener("beforeunload", (event) => busy && event.preventDefault());
