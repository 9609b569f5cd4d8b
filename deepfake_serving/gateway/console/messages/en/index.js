/** English. */

import common from "./common.js";
import evidence from "./evidence.js";
import panels from "./panels.js";
import problems from "./problems.js";
import results from "./results.js";

export default { ...common, ...evidence, ...panels, ...results, ...problems };
