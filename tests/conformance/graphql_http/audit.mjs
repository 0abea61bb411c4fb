// Runs the audit of GraphQL over HTTP against GRAPHQL_URL with GRAPHQL_TOKEN; prints every finding and exits with 1 unless all are met.
import { serverAudits } from "graphql-http";

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};
const url = need("GRAPHQL_URL");
const authorization = `Bearer ${need("GRAPHQL_TOKEN")}`;
const fetchFn = (target, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("authorization", authorization);
  return fetch(target, { ...init, headers });
};

let missed = 0;
const audits = serverAudits({ url, fetchFn });
for (const audit of audits) {
  const result = await audit.fn();
  const met = result.status === "ok";
  if (!met) missed += 1;
  console.log(`${met ? "ok  " : result.status} ${audit.id} ${audit.name}${met ? "" : `: ${result.reason}`}`);
}
console.log(`${audits.length - missed} of ${audits.length} met`);
process.exit(missed === 0 && audits.length > 50 ? 0 : 1);
