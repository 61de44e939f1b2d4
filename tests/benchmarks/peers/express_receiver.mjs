// Express that verifies with the official library (`standardwebhooks`). BENCH_NODE names the directory of
// node_modules, BENCH_SECRET is the secret. Argument: the port.
import { createRequire } from "node:module";

const require = createRequire(process.env.BENCH_NODE + "/");
const express = require("express");
const { Webhook } = require("standardwebhooks");

const webhook = new Webhook(process.env.BENCH_SECRET);
const app = express();
app.disable("x-powered-by");
app.post("/webhooks/trackpilots", express.raw({ type: "application/json" }), (request, response) => {
  try {
    webhook.verify(request.body, request.headers); // parses the body too
  } catch {
    return response.status(401).json({ error: "Invalid signature" });
  }
  response.json({ received: true });
});
app.listen(Number(process.argv[2]), "127.0.0.1");
