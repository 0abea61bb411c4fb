"""Verifies messages with the library of Standard Webhooks for Python, and holds it against messages that were changed."""

import json
import os
import sys

sys.path.insert(0, os.environ["PACKAGES"])
from standardwebhooks.webhooks import Webhook, WebhookVerificationError  # noqa: E402

with open(os.environ["MESSAGE"], encoding="utf-8") as file:
    given = json.load(file)
body, headers = given["message"]["body"], given["message"]["headers"]


def refused(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


for secret in given["secrets"]:
    said = Webhook(secret).verify(body, headers)
    assert said["type"] == "partner.created", said
    assert refused(secret, body + " ", headers), "a changed body passes"
    assert refused(secret, body, {**headers, "webhook-id": "other"}), "a changed id passes"
assert refused("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", body, headers), "another secret passes"
print("verified with", len(given["secrets"]), "secrets")
