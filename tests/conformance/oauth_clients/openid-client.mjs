// The client that most Node programs use, by discovery alone.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { agree } from "./browser.mjs";

const { ISSUER, AUDIENCE, COOKIE, REDIRECT, CLIENTS } = process.env;
const clients = JSON.parse(CLIENTS);
const proofs = {
  client_secret_basic: (secret) => client.ClientSecretBasic(secret),
  client_secret_post: (secret) => client.ClientSecretPost(secret),
  none: () => client.None(),
};
for (const { id, method, secret } of clients) {
  if (!proofs[method]) continue;
  const options = { algorithm: "oauth2", execute: [client.allowInsecureRequests] };
  const config = await client.discovery(new URL(ISSUER), id, undefined, proofs[method](secret), options);
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const authorize = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: "deals:read",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    resource: AUDIENCE,
    state,
  });
  const back = await agree(authorize, COOKIE);
  const first = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state });
  assert.equal(first.scope, "deals:read");
  const second = await client.refreshTokenGrant(config, first.refresh_token);
  const asked = await client.fetchProtectedResource(
    config,
    second.access_token,
    new URL(AUDIENCE),
    "POST",
    JSON.stringify({ query: "{ __typename }" }),
    new Headers({ "content-type": "application/json" }),
  );
  assert.deepEqual((await asked.json()).data, { __typename: "Query" });
  if (method !== "none") {
    assert.equal((await client.tokenIntrospection(config, second.access_token)).active, true);
    const own = await client.clientCredentialsGrant(config, { scope: "partners:read" });
    assert.equal(own.scope, "partners:read");
  }
  await client.tokenRevocation(config, second.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), { error: "invalid_grant" });
  // A response of another server is not taken for ours.
  const mixed = new URL(back);
  mixed.searchParams.set("iss", "https://elsewhere.example");
  await assert.rejects(client.authorizationCodeGrant(config, mixed, { pkceCodeVerifier: verifier, expectedState: state }));
  console.log(`openid-client: ${method}`);
}
