// Drives jsforce against SALESFORCE_URL; exits with 1 at the first answer the client or an assertion refuses.
import assert from "node:assert/strict";
import jsforce from "jsforce";

const need = (name) => process.env[name] ?? assert.fail(`${name} is not set`);
const loginUrl = need("SALESFORCE_URL");
const version = "68.0";

const step = async (name, run) => {
  await run();
  console.log(`ok  ${name}`);
};

const oauth2 = new jsforce.OAuth2({
  loginUrl,
  clientId: need("SALESFORCE_CLIENT_ID"),
  clientSecret: need("SALESFORCE_CLIENT_SECRET"),
  redirectUri: need("SALESFORCE_REDIRECT"),
  useVerifier: true,
});

// As a browser would: to the consent page, and with the code back.
const code = async () => {
  const page = await fetch(oauth2.getAuthorizationUrl({ scope: "api refresh_token openid", state: "s" }), { redirect: "manual" });
  assert.equal(page.status, 302);
  return new URL(page.headers.get("location")).searchParams.get("code");
};

const conn = new jsforce.Connection({ oauth2, version });

await step("authorize with a verifier", async () => {
  const user = await conn.authorize(await code());
  assert.match(user.organizationId, /^00D\w{15}$/);
  assert.match(user.id, /^005\w{15}$/);
  assert.equal(conn.instanceUrl, loginUrl);
  assert.ok(conn.refreshToken);
});

await step("identity, versions, limits", async () => {
  const identity = await conn.identity();
  assert.equal(identity.organization_id, conn.userInfo.organizationId);
  const versions = await conn.request("/services/data");
  assert.equal(versions.at(-1).version, version);
  const limits = await conn.limits();
  assert.ok(limits.DailyApiRequests.Remaining > 0);
  assert.ok(conn.limitInfo.apiUsage.limit > 0);
});

await step("a session that ended is refreshed, and the refresh token rotates", async () => {
  const before = conn.refreshToken;
  conn.accessToken = "00D000000000000!ended";
  const rotated = new Promise((resolve) => conn.once("refresh", (access, answer) => resolve(answer.refresh_token)));
  await conn.query("SELECT Id FROM Account LIMIT 1");
  const fresh = await rotated;
  assert.notEqual(fresh, before);
  await assert.rejects(oauth2.refreshToken(before), (error) => error.name === "invalid_grant");
  conn.refreshToken = fresh;
});

await step("query and walk every page", async () => {
  const first = await conn.query("SELECT Id, Name, Amount, Account.Name FROM Opportunity ORDER BY SystemModstamp, Id");
  assert.equal(first.totalSize, 450);
  assert.equal(first.done, false);
  assert.equal(first.records[0].attributes.type, "Opportunity");
  const all = await conn.query("SELECT Id FROM Opportunity", { autoFetch: true, maxFetch: 1000 });
  assert.equal(new Set(all.records.map((record) => record.Id)).size, 450);
});

await step("the query builder", async () => {
  const found = await conn.sobject("Opportunity")
    .find({ StageName: { $in: ["Closed Won", "Closed Lost"] }, CreatedDate: { $gt: jsforce.SfDate.toDateTimeLiteral("2020-01-01T00:00:00Z") } }, ["Id", "StageName", "Account.Name"])
    .sort({ SystemModstamp: -1, Id: 1 })
    .limit(20);
  assert.equal(found.length, 20);
  assert.ok(found.every((record) => record.StageName.startsWith("Closed")));
  const counted = await conn.sobject("Account").count({ Name: { $like: "%" } });
  assert.ok(counted > 0);
});

await step("describe", async () => {
  const described = await conn.sobject("Opportunity").describe();
  const field = (name) => described.fields.find((known) => known.name === name);
  assert.equal(field("Amount").type, "currency");
  assert.equal(field("CurrencyIsoCode"), undefined);
  assert.equal(field("Entente_Reference__c").externalId, true);
  const everything = await conn.describeGlobal();
  assert.ok(everything.sobjects.some((object) => object.name === "OpportunityPartner"));
});

let made;
await step("create, read, change, upsert, delete", async () => {
  made = await conn.sobject("Account").create({ Name: "From jsforce", Website: "https://js.example" });
  assert.equal(made.success, true);
  const read = await conn.sobject("Account").retrieve(made.id);
  assert.equal(read.Website, "https://js.example");
  const changed = await conn.sobject("Account").update({ Id: made.id, Website: null });
  assert.equal(changed.success, true);
  const upserted = await conn.sobject("Contact").upsert({ LastName: "Force", Entente_Reference__c: "js-1" }, "Entente_Reference__c");
  assert.equal(upserted.success, true);
  const again = await conn.sobject("Contact").upsert({ LastName: "Again", Entente_Reference__c: "js-1" }, "Entente_Reference__c");
  assert.equal(again.id, upserted.id);
});

await step("several at once, each with its result", async () => {
  const records = Array.from({ length: 250 }, (_, n) => ({ Name: `js ${n}`, Entente_Reference__c: `many-${n}` }));
  const created = await conn.sobject("Account").create(records, { allowRecursive: true });
  assert.equal(created.length, 250);
  assert.ok(created.every((result) => result.success));
  const mixed = await conn.sobject("Account").upsert(
    [{ Name: "changed", Entente_Reference__c: "many-1" }, { Entente_Reference__c: "many-none" }],
    "Entente_Reference__c",
  );
  assert.deepEqual(mixed.map((result) => result.success), [true, false]);
  assert.equal(mixed[1].errors[0].errorCode ?? mixed[1].errors[0].statusCode, "REQUIRED_FIELD_MISSING");
  const gone = await conn.sobject("Account").destroy(created.slice(0, 3).map((result) => result.id));
  assert.ok(gone.every((result) => result.success));
});

await step("what was deleted", async () => {
  await conn.sobject("Account").destroy(made.id);
  const all = await conn.query(`SELECT Id FROM Account WHERE IsDeleted = true AND Id = '${made.id}'`, { scanAll: true });
  assert.equal(all.totalSize, 1);
  const hour = 3600 * 1000;
  const answer = await conn.sobject("Account").deleted(new Date(Date.now() - 48 * hour), new Date(Date.now() + hour));
  assert.ok(Array.isArray(answer.deletedRecords) && answer.latestDateCovered);
});

await step("a bulk query", async () => {
  const stream = await conn.bulk2.query("SELECT Id, Name, Amount, Account.Name FROM Opportunity", { pollInterval: 50, pollTimeout: 10000 });
  const rows = await stream.toArray();
  assert.equal(rows.length, 450);
  assert.ok(rows.every((row) => row.Id.startsWith("006") && "Account.Name" in row));
});

await step("errors arrive as errors", async () => {
  await assert.rejects(conn.query("SELECT Foo FROM Account"), (error) => error.errorCode === "INVALID_FIELD");
  await assert.rejects(conn.query("SELECT Id FROM Nothing"), (error) => error.errorCode === "INVALID_TYPE");
  await assert.rejects(conn.sobject("Account").create({}), (error) => error.errorCode === "REQUIRED_FIELD_MISSING");
  await assert.rejects(conn.sobject("Account").retrieve(made.id), (error) => error.errorCode === "ENTITY_IS_DELETED");
});

await step("revoke", async () => {
  await conn.logout(true);
  await assert.rejects(oauth2.refreshToken(conn.refreshToken ?? "gone"), (error) => error.name === "invalid_grant");
});
