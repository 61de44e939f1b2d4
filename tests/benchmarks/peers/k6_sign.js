// k6 signing each app-tracking event the Trackpilots way with its own crypto module.
// Environment: BENCH_URL, BENCH_SECONDS, BENCH_CONNECTIONS, TRACKPILOTS_WEBHOOKS_SECRET_KEY.
import http from "k6/http";
import crypto from "k6/crypto";
import { body } from "./event.mjs";

const SECRET = __ENV.TRACKPILOTS_WEBHOOKS_SECRET_KEY;
const URL = __ENV.BENCH_URL;

export const options = {
  vus: Number(__ENV.BENCH_CONNECTIONS),
  duration: `${__ENV.BENCH_SECONDS}s`,
  discardResponseBodies: true,
  insecureSkipTLSVerify: true,
  summaryTrendStats: ["med", "p(99)"],
};

export default function () {
  const now = Date.now();
  const payload = body(__VU, __ITER, now);
  const second = String(Math.floor(now / 1000));
  http.post(URL, payload, {
    headers: {
      "Content-Type": "application/json",
      "X-Webhook-Signature": crypto.hmac("sha256", SECRET, `${second}.${payload}`, "hex"),
      "X-Webhook-Timestamp": second,
      "X-Loadsim-Id": `k6-${__VU}/${__ITER}/1`,
    },
  });
}
