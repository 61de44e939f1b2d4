// Shows the run of the command line that serves this page.
import { follow } from "./live.js";
import { byId } from "./shared.js";

follow(JSON.parse(byId("run").textContent));
