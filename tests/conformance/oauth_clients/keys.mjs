// Makes a key pair for each algorithm, keeps the private halves in this folder and prints the public ones.
import { writeFileSync } from "node:fs";
import { generateKeyPair } from "oauth4webapi";

const kept = {};
const shown = {};
for (const alg of ["Ed25519", "ES256", "RS256", "PS256"]) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const name = alg === "Ed25519" ? "EdDSA" : alg;
  const own = { kid: `key-${name}`, alg: name, use: "sig" };
  const { key_ops, ext, ...pub } = await crypto.subtle.exportKey("jwk", publicKey);
  const secret = await crypto.subtle.exportKey("jwk", privateKey);
  shown[name] = { keys: [{ ...pub, ...own }] };
  kept[name] = { ...secret, ...own, use: undefined };
}
writeFileSync("private.json", JSON.stringify(kept));
console.log(JSON.stringify(shown));
