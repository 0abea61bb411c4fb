// Drives the vendor's own client against SLACK_URL; exits with 1 at the first answer the client or an assertion refuses.
import assert from "node:assert/strict";
import { LogLevel, WebClient, WebClientEvent } from "@slack/web-api";

const need = (name) => process.env[name] ?? assert.fail(`${name} is not set`);
const slackApiUrl = `${need("SLACK_URL")}/api/`;
const options = { slackApiUrl, logLevel: LogLevel.ERROR, retryConfig: { retries: 2, minTimeout: 1, maxTimeout: 5 } };
const client = new WebClient(need("SLACK_TOKEN"), options);

const step = async (name, run) => {
  await run();
  console.log(`ok  ${name}`);
};
const refused = (error) => (caught) => caught.code === "slack_webapi_platform_error" && caught.data.error === error;

let team;
await step("who am I", async () => {
  const me = await client.auth.test();
  assert.match(me.team_id, /^T/);
  team = (await client.team.info()).team;
  assert.equal(team.id, me.team_id);
  const bot = await client.users.info({ user: me.user_id });
  assert.equal(bot.user.is_bot, true);
});

const channels = [];
await step("list every channel, page by page", async () => {
  for await (const page of client.paginate("conversations.list", { limit: 7, exclude_archived: true })) channels.push(...page.channels);
  assert.equal(channels.length, 24);
  assert.ok(channels.every((channel) => channel.is_channel && !channel.is_private && !channel.is_archived));
});
const deals = channels.find((channel) => channel.name === "deals").id;

let ts;
const button = (action_id, text, style) => ({ type: "button", action_id, value: "v-1", style, text: { type: "plain_text", text } });
await step("post blocks, with metadata", async () => {
  const posted = await client.chat.postMessage({
    channel: deals,
    text: "A deal was won",
    blocks: [
      { type: "header", text: { type: "plain_text", text: "A deal was won" } },
      { type: "section", fields: [{ type: "mrkdwn", text: "*Amount*\n1.500,00 EUR", verbatim: true }] },
      { type: "actions", elements: [button("confirm", "Confirm", "primary"), button("dispute", "Dispute", "danger")] },
    ],
    metadata: { event_type: "deal_won", event_payload: { reference: "r-1" } },
  });
  ts = posted.ts;
  assert.equal(posted.channel, deals);
  assert.equal(posted.message.bot_profile.app_id, posted.message.app_id);
});

await step("find it again by its metadata", async () => {
  await client.conversations.join({ channel: deals });
  const seen = await client.conversations.history({ channel: deals, include_all_metadata: true, limit: 10 });
  const found = seen.messages.find((message) => message.metadata?.event_payload.reference === "r-1");
  assert.equal(found.ts, ts);
});

await step("edit, and take back", async () => {
  const edited = await client.chat.update({ channel: deals, ts, text: "Confirmed by Ada", blocks: [] });
  assert.equal(edited.text, "Confirmed by Ada");
  const gone = await client.chat.postMessage({ channel: deals, text: "oops" });
  await client.chat.delete({ channel: deals, ts: gone.ts });
  await assert.rejects(client.chat.update({ channel: deals, ts: gone.ts, text: "x" }), refused("message_not_found"));
});

await step("a long text is cut, with a warning", async () => {
  const warned = [];
  const logger = { setLevel() {}, setName() {}, getLevel: () => LogLevel.WARN, debug() {}, info() {}, warn: (...words) => warned.push(words.join(" ")), error() {} };
  const careful = new WebClient(need("SLACK_TOKEN"), { ...options, logger });
  const cut = await careful.chat.postMessage({ channel: deals, text: "x".repeat(40_001) });
  assert.equal(cut.message.text.length, 40_000);
  assert.deepEqual(cut.response_metadata.warnings, ["message_truncated"]);
  assert.ok(warned.some((words) => words.includes("message_truncated")));
});

await step("errors arrive as errors", async () => {
  await assert.rejects(client.chat.postMessage({ channel: "C0NOWHERE", text: "x" }), refused("channel_not_found"));
  await assert.rejects(client.chat.postMessage({ channel: deals }), refused("no_text"));
  await assert.rejects(client.chat.postMessage({ channel: "old-deals", text: "x" }), refused("is_archived"));
  await assert.rejects(
    client.chat.postMessage({ channel: deals, text: "x", blocks: [{ type: "header", text: { type: "mrkdwn", text: "x" } }] }),
    (error) => refused("invalid_blocks")(error) && error.data.response_metadata.messages[0].includes("/blocks/0/text"),
  );
  await assert.rejects(client.apiCall("chat.shout", {}), refused("unknown_method"));
  await assert.rejects(new WebClient("xoxb-wrong", options).auth.test(), refused("invalid_auth"));
  await assert.rejects(new WebClient(undefined, options).auth.test(), refused("not_authed"));
});

await step("a limit is waited for", async () => {
  let told;
  const patient = new WebClient(need("SLACK_TOKEN"), options);
  patient.on(WebClientEvent.RATE_LIMITED, (seconds) => { told = seconds; });
  await fetch(`${need("SLACK_URL")}/__sandbox/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ rules: [{ path: "/api/chat.postMessage", times: 1, effect: { rate_limited: { policy: "1" } } }] }),
  });
  const posted = await patient.chat.postMessage({ channel: deals, text: "after the limit" });
  assert.equal(posted.ok, true);
  assert.equal(told, 1);
});

await step("redeem a code, rotate, uninstall", async () => {
  const app = { client_id: need("SLACK_CLIENT_ID"), client_secret: need("SLACK_CLIENT_SECRET") };
  const nobody = new WebClient(undefined, options);
  await assert.rejects(nobody.oauth.v2.access({ ...app, code: "nonsense" }), refused("invalid_code"));
  const redeemed = await nobody.oauth.v2.access({ ...app, code: need("SLACK_CODE"), redirect_uri: need("SLACK_REDIRECT") });
  assert.equal(redeemed.team.id, team.id);
  assert.equal(redeemed.expires_in, 43200);
  const rotate = { ...app, grant_type: "refresh_token", refresh_token: redeemed.refresh_token };
  const rotated = await nobody.oauth.v2.access(rotate);
  assert.notEqual(rotated.refresh_token, redeemed.refresh_token);
  await assert.rejects(nobody.oauth.v2.access(rotate), refused("invalid_refresh_token"));
  const fresh = new WebClient(rotated.access_token, options);
  assert.equal((await fresh.auth.test()).ok, true);
  assert.equal((await fresh.apps.uninstall(app)).ok, true);
  await assert.rejects(fresh.auth.test(), refused("account_inactive"));
});
