// autocannon signing each app-tracking event the Trackpilots way in setupRequest.
// Environment: BENCH_URL, BENCH_SECONDS, BENCH_CONNECTIONS, BENCH_NODE (where npm put it), TRACKPILOTS_WEBHOOKS_SECRET_KEY.
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { body } from "./event.mjs";

const autocannon = createRequire(`${process.env.BENCH_NODE}/`)("autocannon");
const secret = process.env.TRACKPILOTS_WEBHOOKS_SECRET_KEY;
const url = process.env.BENCH_URL;
let count = 0;

function setupRequest(request) {
  count += 1;
  const now = Date.now();
  const payload = body(0, count, now);
  const second = String(Math.floor(now / 1000));
  request.body = payload;
  request.headers = {
    "Content-Type": "application/json",
    "X-Webhook-Signature": createHmac("sha256", secret).update(`${second}.${payload}`).digest("hex"),
    "X-Webhook-Timestamp": second,
    "X-Loadsim-Id": `autocannon/${count}/1`,
  };
  return request;
}

const result = await autocannon({
  url,
  connections: Number(process.env.BENCH_CONNECTIONS),
  duration: Number(process.env.BENCH_SECONDS),
  requests: [{ method: "POST", path: new URL(url).pathname, setupRequest }],
  tlsOptions: { rejectUnauthorized: false },
});
console.log(JSON.stringify({ "2xx": result["2xx"], non2xx: result.non2xx, errors: result.errors }));
process.exit(result.non2xx || result.errors ? 1 : 0);
