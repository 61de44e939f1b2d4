// Signs and verifies with the providers' own libraries. One JSON request a line on stdin, one JSON answer a line on
// stdout: {"library", "secret", "body", "headers"} -> {"genuine"}; with "sign": true -> {"headers"}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { verifyRequest } from "@contentful/node-apps-toolkit";
import { sign, verify } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

// Its modules for import do not load in Node.
const { WebhooksManager } = createRequire(import.meta.url)("box-node-sdk/lib/managers/webhooks");
const stripe = new Stripe("sk_test_unused");

const libraries = {
  box: {
    genuine: ({ secret, body, headers }) => WebhooksManager.validateMessage(body, headers, secret),
  },
  contentful: {
    genuine: ({ secret, body, headers, path }) => verifyRequest(secret, { method: "POST", path, headers, body }),
  },
  github: {
    genuine: ({ secret, body, headers }) => verify(secret, body, headers["x-hub-signature-256"] ?? ""),
    headers: async ({ secret, body }) => ({ "x-hub-signature-256": await sign(secret, body) }),
  },
  "standard-webhooks": {
    genuine: ({ secret, body, headers }) => (new Webhook(secret).verify(body, headers), true),
    headers: ({ secret, body, id, timestamp }) => ({
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": new Webhook(secret).sign(id, new Date(timestamp * 1000), body),
    }),
  },
  stripe: {
    genuine: ({ secret, body, headers }) => (stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret), true),
    headers: ({ secret, body, timestamp }) => ({
      "stripe-signature": stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp }),
    }),
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const library = libraries[request.library];
  let answer;
  try {
    answer = request.sign ? { headers: await library.headers(request) } : { genuine: await library.genuine(request) };
  } catch (error) {
    answer = { genuine: false, error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
