/** English. */

import common from "./common.js";
import panels from "./panels.js";
import problems from "./problems.js";
import results from "./results.js";

export default { ...common, ...panels, ...results, ...problems };
