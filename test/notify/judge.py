"""Independent judge of composed reports: Python's email package with policy.default.

Reads a JSON array of base64 messages from standard input, writes a JSON array of what it found in them.
"""
import base64
import email
import email.policy
import json
import sys


def part(message):
    found = {
        "type": message.get_content_type(),
        "charset": message.get_content_charset(),
        "encoding": str(message.get("Content-Transfer-Encoding", "")),
        "defects": [type(defect).__name__ for defect in message.defects],
        "parts": [],
        "text": None,
        "blocks": None,
    }
    if message.get_content_type() == "message/delivery-status":
        found["blocks"] = [[[name, str(value)] for name, value in block.items()] for block in message.get_payload()]
    elif message.is_multipart():
        found["parts"] = [part(child) for child in message.get_payload()]
    else:
        payload = message.get_payload(decode=True)
        found["text"] = payload.decode(message.get_content_charset() or "utf-8", "replace")
    return found


def judge(raw):
    message = email.message_from_bytes(raw, policy=email.policy.default)
    found = part(message)
    found["headers"] = [[name, str(value)] for name, value in message.items()]
    found["headerDefects"] = [
        f"{name}: {type(defect).__name__}" for name, value in message.items() for defect in getattr(value, "defects", [])
    ]
    found["reportType"] = message.get_param("report-type")
    if found["parts"] and found["parts"][-1]["type"] == "text/rfc822-headers":
        returned = email.message_from_string(found["parts"][-1]["text"], policy=email.policy.default)
        found["returned"] = [[name, str(value)] for name, value in returned.items()]
        found["returnedBody"] = returned.get_payload()
    return found


messages = json.load(sys.stdin)
json.dump([judge(base64.b64decode(one)) for one in messages], sys.stdout)
