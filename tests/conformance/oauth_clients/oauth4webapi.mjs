// A strict client works with nothing but the issuer's name: every way to prove oneself, every way to tokens, and their ends.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as oauth from "oauth4webapi";
import { agree } from "./browser.mjs";

const { ISSUER, AUDIENCE, COOKIE, REDIRECT, CLIENTS } = process.env;
const clients = JSON.parse(CLIENTS);
const keys = JSON.parse(readFileSync("private.json"));
const http = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(ISSUER);
const found = await oauth.discoveryRequest(issuer, { ...http, algorithm: "oauth2" });
const as = await oauth.processDiscoveryResponse(issuer, found);

const algorithms = {
  EdDSA: { name: "Ed25519" },
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
};
async function proof({ method, secret }) {
  switch (method) {
    case "client_secret_basic": return oauth.ClientSecretBasic(secret);
    case "client_secret_post": return oauth.ClientSecretPost(secret);
    case "none": return oauth.None();
    default: {
      const { use, alg, ...jwk } = keys[method];
      const key = await crypto.subtle.importKey("jwk", jwk, algorithms[method], false, ["sign"]);
      return oauth.PrivateKeyJwt({ key, kid: jwk.kid });
    }
  }
}

// The token is what RFC 9068 says, by the published keys.
async function verified(token, audience = AUDIENCE) {
  const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(as, request, audience, http);
}

for (const registered of clients) {
  const client = { client_id: registered.id };
  const auth = await proof(registered);
  if (registered.method !== "none") {
    const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: "deals:read" }, http);
    const got = await oauth.processClientCredentialsResponse(as, client, answer);
    assert.equal(got.scope, "deals:read");
    assert.equal(got.refresh_token, undefined);
    assert.equal((await verified(got.access_token)).client_id, client.client_id);
  }
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const authorize = new URL(as.authorization_endpoint);
  authorize.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    response_type: "code",
    scope: "deals:read partners:read",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    resource: AUDIENCE,
    state,
  });
  const back = await agree(authorize, COOKIE);
  const answer = oauth.validateAuthResponse(as, client, back, state);
  const granted = await oauth.authorizationCodeGrantRequest(as, client, auth, answer, REDIRECT, verifier, http);
  const first = await oauth.processAuthorizationCodeResponse(as, client, granted);
  const claims = await verified(first.access_token);
  assert.equal(claims.client_id, client.client_id);
  assert.equal(claims.scope, "partners:read deals:read");
  const renewed = await oauth.refreshTokenGrantRequest(as, client, auth, first.refresh_token, http);
  const second = await oauth.processRefreshTokenResponse(as, client, renewed);
  assert.notEqual(second.refresh_token, first.refresh_token);
  await verified(second.access_token);
  const told = async (token) => {
    const answer = await oauth.introspectionRequest(as, client, auth, token, http);
    return oauth.processIntrospectionResponse(as, client, answer);
  };
  if (registered.method !== "none") {
    const about = await told(second.access_token);
    assert.equal(about.active, true);
    assert.equal(about.sub, claims.sub);
  }
  const ended = await oauth.revocationRequest(as, client, auth, second.refresh_token, http);
  await oauth.processRevocationResponse(ended);
  if (registered.method !== "none") assert.equal((await told(second.access_token)).active, false);
  const over = await oauth.refreshTokenGrantRequest(as, client, auth, second.refresh_token, http);
  await assert.rejects(
    oauth.processRefreshTokenResponse(as, client, over),
    (error) => error instanceof oauth.ResponseBodyError && error.error === "invalid_grant",
  );
  console.log(`oauth4webapi: ${registered.method}`);
}
