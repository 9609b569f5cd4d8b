/** German. */

import common from "./common.js";
import evidence from "./evidence.js";
import feedback from "./feedback.js";
import firstVisit from "./firstVisit.js";
import keys from "./keys.js";
import panels from "./panels.js";
import problems from "./problems.js";
import results from "./results.js";
import sentences from "./sentences.js";

export default { ...common, ...evidence, ...feedback, ...firstVisit, ...keys, ...panels, ...results, ...sentences, ...problems };
