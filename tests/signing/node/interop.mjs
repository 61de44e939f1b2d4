// Signs and verifies with the providers' own libraries. One JSON request a line on stdin, one JSON answer a line on
// stdout: {"library", "secret", "body", "headers"} -> {"genuine"}; with "sign": true -> {"headers"}.
import { createRequire } from "node:module";
import https from "node:https";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { verifyRequest } from "@contentful/node-apps-toolkit";
import { verifyWebhookSignature } from "@hookdeck/sdk/webhooks/helpers.js";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import Mux from "@mux/mux-node";
import { sign, verify } from "@octokit/webhooks-methods";
import "@shopify/shopify-api/adapters/node";
import { shopifyApi } from "@shopify/shopify-api";
import { AwsLambdaReceiver } from "@zoom/rivet/meetings";
import MessageValidator from "sns-validator";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

// Its modules for import do not load in Node.
const { WebhooksManager } = createRequire(import.meta.url)("box-node-sdk/lib/managers/webhooks");

// SNS's library fetches the certificate that a message names: here it gets the one of the request.
let certificate;
https.get = (url, answer) => {
  const stream = new PassThrough();
  stream.statusCode = 200;
  answer(stream);
  stream.end(certificate);
  return { on: () => undefined };
};

const shopifies = new Map();
const shopifyOf = (secret) => {
  if (!shopifies.has(secret))
    shopifies.set(
      secret,
      shopifyApi({
        apiKey: "unused",
        apiSecretKey: secret,
        scopes: [],
        hostName: "example.test",
        apiVersion: "2026-10",
        isEmbeddedApp: false,
        logger: { log: () => undefined },
      }),
    );
  return shopifies.get(secret);
};
const mux = new Mux({ tokenId: "unused", tokenSecret: "unused" });
const stripe = new Stripe("sk_test_unused");

const libraries = {
  box: {
    genuine: ({ secret, body, headers }) => WebhooksManager.validateMessage(body, headers, secret),
  },
  contentful: {
    genuine: ({ secret, body, headers, path }) => verifyRequest(secret, { method: "POST", path, headers, body }),
  },
  hookdeck: {
    genuine: async ({ secret, body, headers }) =>
      (await verifyWebhookSignature({ headers, rawBody: body, signingSecret: secret })).isValidSignature,
  },
  linear: {
    genuine: ({ secret, body, headers }) =>
      new LinearWebhookClient(secret).verify(Buffer.from(body), headers["linear-signature"], headers["linear-timestamp"]),
  },
  mux: {
    genuine: async ({ secret, body, headers }) => {
      await mux.webhooks.verifySignature(body, headers, secret);
      return true;
    },
  },
  shopify: {
    genuine: async ({ secret, body, headers }) => {
      const rawRequest = { method: "POST", url: "/hooks", headers };
      return (await shopifyOf(secret).webhooks.validate({ rawBody: body, rawRequest })).valid;
    },
  },
  sns: {
    genuine: ({ body, ...given }) =>
      new Promise((resolve) => {
        certificate = given.certificate;
        new MessageValidator().validate(body, (error) => resolve(!error));
      }),
  },
  github: {
    genuine: ({ secret, body, headers }) => verify(secret, body, headers["x-hub-signature-256"] ?? ""),
    headers: async ({ secret, body }) => ({ "x-hub-signature-256": await sign(secret, body) }),
  },
  zoom: {
    genuine: async ({ secret, body, headers }) => {
      const event = { body, headers, isBase64Encoded: false };
      return (await new AwsLambdaReceiver({ webhooksSecretToken: secret }).start()(event, {})).statusCode === 200;
    },
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

console.debug = () => undefined; // Zoom's library writes what it got, and standard output is for answers

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
