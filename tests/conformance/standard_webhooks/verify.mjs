// Verifies messages with the library of Standard Webhooks for Node, and holds it against messages that were changed.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { secrets, message } = JSON.parse(readFileSync(process.env.MESSAGE, "utf8"));
const refused = (secret, body, headers) => {
  try {
    new Webhook(secret).verify(body, headers);
    return false;
  } catch {
    return true;
  }
};
for (const secret of secrets) {
  const said = new Webhook(secret).verify(message.body, message.headers);
  if (said.type !== "partner.created") throw new Error(`another message: ${JSON.stringify(said)}`);
  if (!refused(secret, `${message.body} `, message.headers)) throw new Error("a changed body passes");
  if (!refused(secret, message.body, { ...message.headers, "webhook-id": "other" })) throw new Error("a changed id passes");
}
if (!refused("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", message.body, message.headers)) throw new Error("another secret passes");
console.log(`verified with ${secrets.length} secrets`);
