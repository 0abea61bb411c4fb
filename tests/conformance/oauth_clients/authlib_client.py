"""The client that most Python programs use, by discovery alone."""

import html
import json
import os
import re
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from joserfc import jwk

# Authlib refuses plain HTTP otherwise, also on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
ISSUER, AUDIENCE, COOKIE, REDIRECT = (os.environ[name] for name in ("ISSUER", "AUDIENCE", "COOKIE", "REDIRECT"))
KEYS = json.load(open("private.json"))

document = requests.get(get_well_known_url(ISSUER, external=True), timeout=30).json()
metadata = AuthorizationServerMetadata(document)
for name in metadata.REGISTRY_KEYS:
    # Plain HTTP on loopback is this test's, not the server's.
    if name not in ("issuer",) and not name.endswith(("_endpoint", "_uri")):
        getattr(metadata, f"validate_{name}")()
assert metadata.issuer == ISSUER


def agree(url):
    browser = {"cookie": COOKIE}
    page = requests.get(url, headers=browser, allow_redirects=False, timeout=30)
    if page.status_code == 303:
        return page.headers["location"]
    assert page.status_code == 200, page.text
    form = {"decision": "allow"}
    for field in re.findall(r'<input [^>]*type="hidden"[^>]*>', page.text):
        value = {name: html.unescape(re.search(f' {name}="([^"]*)"', field)[1]) for name in ("name", "value")}
        form[value["name"]] = value["value"]
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    answer = requests.post(f"{origin}/oauth/consent", form, headers={**browser, "origin": origin}, allow_redirects=False, timeout=30)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


for client in json.loads(os.environ["CLIENTS"]):
    method = client["method"]
    options = {"scope": "deals:read", "redirect_uri": REDIRECT, "code_challenge_method": "S256"}
    if method in KEYS:
        secret, auth = jwk.import_key(KEYS[method]), "private_key_jwt"
    else:
        secret, auth = client["secret"] or None, method
    session = OAuth2Session(client["id"], secret, token_endpoint_auth_method=auth, revocation_endpoint_auth_method=auth, **options)
    if method in KEYS:
        proof = PrivateKeyJWT(metadata.token_endpoint, alg=method)
        session.register_client_auth_method(proof)
    verifier = "a-verifier-that-is-long-enough-to-be-one-0123456789"
    url, state = session.create_authorization_url(metadata.authorization_endpoint, code_verifier=verifier, resource=AUDIENCE)
    back = agree(url)
    first = session.fetch_token(metadata.token_endpoint, authorization_response=back, code_verifier=verifier, state=state)
    assert first["scope"] == "deals:read", first
    second = session.refresh_token(metadata.token_endpoint)
    assert second["refresh_token"] != first["refresh_token"]
    asked = session.post(AUDIENCE, json={"query": "{ __typename }"})
    assert asked.json()["data"] == {"__typename": "Query"}, asked.text
    if method != "none":
        told = session.introspect_token(metadata.introspection_endpoint, token=second["access_token"])
        assert told.json()["active"] is True, told.text
    ended = session.revoke_token(metadata.revocation_endpoint, token=second["refresh_token"], token_type_hint="refresh_token")
    assert ended.status_code == 200, ended.text
    try:
        session.refresh_token(metadata.token_endpoint, refresh_token=second["refresh_token"])
        raise AssertionError("a refresh token that was ended is good")
    except OAuthError as error:
        assert error.error == "invalid_grant", error
    if method != "none":
        own = OAuth2Session(client["id"], secret, token_endpoint_auth_method=auth, scope="partners:read")
        if method in KEYS:
            own.register_client_auth_method(PrivateKeyJWT(metadata.token_endpoint, alg=method))
        assert own.fetch_token(metadata.token_endpoint, grant_type="client_credentials")["scope"] == "partners:read"
    print(f"Authlib: {method}")
