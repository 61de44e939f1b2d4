// An HTTP/2 receiver in Node: verifies each event the Trackpilots way and counts the different ones.
// Environment: PORT, TLS_PEM (empty: cleartext), TRACKPILOTS_WEBHOOKS_SECRET_KEY. GET answers the count.
import crypto from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";

const secret = process.env.TRACKPILOTS_WEBHOOKS_SECRET_KEY;
const pem = process.env.TLS_PEM && fs.readFileSync(process.env.TLS_PEM);
const seen = new Set();

function verified(headers, body) {
  const timestamp = headers["x-webhook-timestamp"] ?? "";
  const expected = crypto.createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest();
  const given = Buffer.from(headers["x-webhook-signature"] ?? "", "hex");
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}

const server = pem ? http2.createSecureServer({ key: pem, cert: pem }) : http2.createServer();
server.on("stream", (stream, headers) => {
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  stream.on("error", () => {});
  stream.on("end", () => {
    if (headers[":method"] === "GET") return stream.respond({ ":status": 200 }), stream.end(String(seen.size));
    const good = verified(headers, Buffer.concat(parts));
    if (good) seen.add(headers["x-loadsim-id"]);
    stream.respond({ ":status": good ? 200 : 401 });
    stream.end(good ? "ok" : "no");
  });
});
server.listen(Number(process.env.PORT), "127.0.0.1");
