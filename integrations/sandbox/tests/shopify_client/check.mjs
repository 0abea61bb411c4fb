// Drives the vendor's own client against SHOPIFY_URL; exits with 1 at the first answer the client or an assertion refuses.
import assert from "node:assert/strict";
import { createAdminApiClient, createAdminRestApiClient } from "@shopify/admin-api-client";

const need = (name) => process.env[name] ?? assert.fail(`${name} is not set`);
const sandbox = need("SHOPIFY_URL");
const storeDomain = need("SHOPIFY_SHOP");

// The client knows one way to a shop, https://{shop}; here that shop is at another address.
const customFetchApi = (url, init) => fetch(url.replace(`https://${storeDomain}`, sandbox), init);
const logged = [];
const client = (accessToken, apiVersion = "2026-10") =>
  createAdminApiClient({ storeDomain, apiVersion, accessToken, customFetchApi, logger: (log) => logged.push(log.type) });
const admin = client(need("SHOPIFY_TOKEN"));

const step = async (name, run) => {
  await run();
  console.log(`ok  ${name}`);
};

const asked = async (operation, variables) => {
  const { data, errors, extensions } = await admin.request(operation, { variables });
  assert.equal(errors, undefined, JSON.stringify(errors));
  assert.ok(extensions.cost.throttleStatus.currentlyAvailable >= 0);
  return data;
};

await step("the shop", async () => {
  const { shop } = await asked("query { shop { id name myshopifyDomain currencyCode ianaTimezone } }");
  assert.equal(shop.myshopifyDomain, storeDomain);
});

let orders = [];
await step("orders, page after page", async () => {
  let after = null;
  do {
    const page = await asked(
      `query Orders($after: String) {
        orders(first: 25, after: $after, sortKey: UPDATED_AT, query: "updated_at:>='2020-01-01T00:00:00Z'") {
          edges { cursor node { id name updatedAt totalPriceSet { shopMoney { amount currencyCode } } customer { id } discountCodes } }
          pageInfo { hasNextPage endCursor }
        }
      }`,
      { after },
    );
    orders.push(...page.orders.edges.map(({ node }) => node));
    after = page.orders.pageInfo.hasNextPage ? page.orders.pageInfo.endCursor : null;
  } while (after);
  assert.equal(new Set(orders.map(({ id }) => id)).size, orders.length);
  assert.ok(orders.length > 25);
  const id = BigInt(orders[0].id.split("/").pop());
  assert.ok(id > BigInt(Number.MAX_SAFE_INTEGER), "the ids are beyond what a number holds");
});

await step("a customer is made, found and changed", async () => {
  const create = `mutation($input: CustomerInput!) {
    customerCreate(input: $input) { customer { id displayName } userErrors { field message } }
  }`;
  const input = { firstName: "Client", lastName: "Made", email: "client@made.example" };
  const { customerCreate } = await asked(create, { input });
  assert.deepEqual(customerCreate.userErrors, []);
  assert.equal(customerCreate.customer.displayName, "Client Made");
  const again = await asked(create, { input });
  assert.deepEqual(again.customerCreate, {
    customer: null,
    userErrors: [{ field: ["email"], message: "Email has already been taken" }],
  });
});

await step("metafields, webhooks and a bulk operation", async () => {
  const set = await asked(
    `mutation($fields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $fields) { metafields { key value } userErrors { message } } }`,
    { fields: [{ ownerId: orders[0].id, namespace: "custom", key: "partner", type: "single_line_text_field", value: "acme" }] },
  );
  assert.deepEqual(set.metafieldsSet.metafields, [{ key: "partner", value: "acme" }]);
  const hook = await asked(
    `mutation($input: WebhookSubscriptionInput!) {
      webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: $input) { webhookSubscription { id uri } userErrors { message } }
    }`,
    { input: { uri: "http://127.0.0.1:9/hooks" } },
  );
  assert.equal(hook.webhookSubscriptionCreate.webhookSubscription.uri, "http://127.0.0.1:9/hooks");
  const begun = await asked(
    `mutation { bulkOperationRunQuery(query: "{ orders { edges { node { id lineItems { edges { node { id title } } } } } } }") {
      bulkOperation { id status } userErrors { message }
    } }`,
  );
  let operation = begun.bulkOperationRunQuery.bulkOperation;
  for (let tries = 0; operation.status !== "COMPLETED" && tries < 200; tries += 1) {
    await new Promise((done) => setTimeout(done, 20));
    const look = await asked("query($id: ID!) { bulkOperation(id: $id) { id status url rootObjectCount } }", { id: operation.id });
    operation = look.bulkOperation;
  }
  assert.equal(operation.rootObjectCount, String(orders.length));
  const rows = (await (await fetch(operation.url)).text()).trim().split("\n").map((line) => JSON.parse(line));
  assert.ok(rows.some((row) => row.__parentId === orders[0].id));
});

await step("errors arrive as errors", async () => {
  const { errors } = await admin.request("query { shop { nope } }");
  assert.equal(errors.graphQLErrors[0].extensions.code, "undefinedField");
  const dead = await client("shpat_dead").request("query { shop { id } }");
  assert.equal(dead.errors.networkStatusCode, 401);
  const costly = await admin.request("query { orders(first: 251) { nodes { id } } }");
  assert.equal(costly.errors.graphQLErrors[0].extensions.code, "BAD_REQUEST");
});

await step("the REST API is not there any more", async () => {
  const rest = createAdminRestApiClient({ storeDomain, apiVersion: "2026-10", accessToken: need("SHOPIFY_TOKEN"), customFetchApi });
  const answer = await rest.get("orders");
  assert.equal(answer.status, 404);
});
