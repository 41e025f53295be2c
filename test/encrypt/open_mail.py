"""What a mail program does with an encrypted mail: Python's email package to read, OpenSSL to open and verify.

usage: open_mail.py MAIL CERT.pem KEY.pem [ROOT.pem] > JSON
"""
import base64
import email
import email.policy
import json
import subprocess
import sys


def openssl(data, *args):
    done = subprocess.run(["openssl", "cms", *args], input=data, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.decode())
    return done.stdout


def headers(message):
    return [[name, str(value)] for name, value in message.items()]


def leaves(message):
    if message.get_content_type() == "message/rfc822":
        inner = message.get_payload(0)
        return [{"type": "message/rfc822", "headers": headers(inner), "parts": leaves(inner)}]
    if message.is_multipart():
        return [leaf for part in message.get_payload() for leaf in leaves(part)]
    payload = message.get_payload(decode=True)
    return [{"type": message.get_content_type(), "content": base64.b64encode(payload).decode()}]


def main():
    mail, certificate, key, *root = sys.argv[1:]
    with open(mail, "rb") as file:
        outer = email.message_from_bytes(file.read(), policy=email.policy.default)
    assert outer.get_content_type() == "application/pkcs7-mime", outer.get_content_type()
    sealed = outer.get_payload(decode=True)
    entity = openssl(sealed, "-decrypt", "-binary", "-inform", "DER", "-recip", certificate, "-inkey", key)
    signed = None
    if root:
        # -crlfeol: what was signed has CRLF line ends, and is given out as it was
        check = ("-verify", "-inform", "SMIME", "-binary", "-crlfeol", "-CAfile", root[0], "-purpose", "any")
        signed = openssl(entity, *check)
    inner = email.message_from_bytes(entity if signed is None else signed, policy=email.policy.default)
    found = {
        "type": outer.get_content_type(),
        "smimeType": outer.get_param("smime-type"),
        "fileName": outer.get_filename(),
        "outer": headers(outer),
        "outerDefects": [type(defect).__name__ for defect in outer.defects],
        "entity": base64.b64encode(entity).decode(),
        "signed": None if signed is None else base64.b64encode(signed).decode(),
        "inner": headers(inner),
        "innerDefects": [type(defect).__name__ for defect in inner.defects],
        "hp": inner.get_param("hp"),
        "parts": leaves(inner),
    }
    json.dump(found, sys.stdout)


main()
