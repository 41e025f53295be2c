"""A strict reader of TLS reports, written from the text of RFC 8460 alone, beside Python's own email package.

Reads a JSON array of {"mail": base64} or {"body": base64} (what was posted) from standard input; with "key" (a DKIM key
record) the signature is verified by dkimpy. Writes a JSON array of {"problems": [...], "report": {...}, ...}.
"""
import base64
import datetime
import email
import email.policy
import gzip
import ipaddress
import json
import re
import sys

DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
RESULTS = {
    "general": {
        "starttls-not-supported",
        "certificate-host-mismatch",
        "certificate-expired",
        "certificate-not-trusted",
        "validation-failure",
    },
    "tlsa": {"tlsa-invalid", "dnssec-invalid", "dane-required"},
    "sts": {"sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"},
}


class Checker:
    def __init__(self):
        self.problems = []

    def need(self, condition, words):
        if not condition:
            self.problems.append(words)
        return condition

    def count(self, value, words):
        self.need(type(value) is int and value >= 0, f"{words} is no count: {value!r}")

    def keys(self, value, required, optional, words):
        if not self.need(isinstance(value, dict), f"{words} is no object"):
            return False
        for name in required:
            self.need(name in value, f"{words} has no {name}")
        for name in value:
            self.need(name in required or name in optional, f"{words} has an unknown {name}")
        return all(name in value for name in required)

    # section 4.4
    def report(self, report):
        top = ["organization-name", "date-range", "contact-info", "report-id", "policies"]
        if not self.keys(report, top, [], "report"):
            return
        for name in ("organization-name", "contact-info", "report-id"):
            self.need(isinstance(report[name], str) and report[name].strip(), f"{name} is no text")
        if self.keys(report["date-range"], ["start-datetime", "end-datetime"], [], "date-range"):
            times = []
            for name in ("start-datetime", "end-datetime"):
                text = report["date-range"][name]
                # RFC 3339
                if self.need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), f"{name} is no UTC time: {text}"):
                    times.append(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
            if len(times) == 2:
                # section 4.1: a full day, 0000 to 2400 UTC
                self.need(times[0].time() == datetime.time(0, 0, 0), "the range does not begin at midnight")
                self.need((times[1] - times[0]).total_seconds() == 86399, "the range is no day")
        if not self.need(isinstance(report["policies"], list) and report["policies"], "policies is no list"):
            return
        for policy in report["policies"]:
            self.policy(policy)

    def policy(self, entry):
        if not self.keys(entry, ["policy", "summary"], ["failure-details"], "policies[]"):
            return
        policy, summary = entry["policy"], entry["summary"]
        if not self.keys(policy, ["policy-type", "policy-domain"], ["policy-string", "mx-host"], "policy"):
            return
        kind = policy["policy-type"]
        self.need(kind in ("tlsa", "sts", "no-policy-found"), f"policy-type {kind!r}")
        self.need(DOMAIN.fullmatch(policy["policy-domain"]), f"policy-domain {policy['policy-domain']!r}")
        for name in ("policy-string", "mx-host"):
            value = policy.get(name, [])
            self.need(isinstance(value, list) and all(isinstance(one, str) and one for one in value), f"{name}")
        strings = policy.get("policy-string", [])
        if kind == "sts" and strings:
            self.need(strings[0] == "version: STSv1", "an sts policy does not begin with its version")
            self.need(any(re.fullmatch(r"mode: (enforce|testing|none)", one) for one in strings), "no mode")
        if kind == "tlsa":
            for one in strings:
                self.need(re.fullmatch(r"_25\._tcp\.\S+\. IN TLSA \d+ \d+ \d+ [0-9a-f]+", one), f"no TLSA record: {one}")
        if kind == "no-policy-found":
            self.need(not strings, "no policy, but a policy string")
        both = ["total-successful-session-count", "total-failure-session-count"]
        if not self.keys(summary, both, [], "summary"):
            return
        for name in both:
            self.count(summary[name], name)
        failed = 0
        for detail in entry.get("failure-details", []):
            failed += self.detail(detail, kind)
        self.need(failed == summary[both[1]], f"{summary[both[1]]} failures, details of {failed}")

    # section 4.3
    def detail(self, detail, kind):
        optional = ["sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip"]
        optional += ["additional-information", "failure-reason-code"]
        if not self.keys(detail, ["result-type", "failed-session-count"], optional, "failure-details[]"):
            return 0
        allowed = RESULTS["general"] | RESULTS.get(kind, set())
        self.need(detail["result-type"] in allowed, f"{detail['result-type']} under {kind}")
        self.count(detail["failed-session-count"], "failed-session-count")
        self.need(detail["failed-session-count"] > 0, "a detail of no session")
        for name in ("sending-mta-ip", "receiving-ip"):
            if name in detail:
                try:
                    ipaddress.ip_address(detail[name])
                except ValueError:
                    self.problems.append(f"{name} is no address: {detail[name]}")
        if "receiving-mx-hostname" in detail:
            self.need(DOMAIN.fullmatch(detail["receiving-mx-hostname"]), "receiving-mx-hostname")
        return detail["failed-session-count"]

    # section 5.3
    def container(self, raw):
        message = email.message_from_bytes(raw, policy=email.policy.default)
        self.need(not message.defects, f"defects {message.defects}")
        self.need(message.get_content_type() == "multipart/report", f"type {message.get_content_type()}")
        self.need(message.get_param("report-type") == "tlsrpt", "report-type")
        head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
        values = {}
        for name in ("TLS-Report-Domain", "TLS-Report-Submitter"):
            found = re.findall(rb"(?m)^%s: *([^\r\n]+)" % name.encode(), head)
            if self.need(len(found) == 1, f"{name} stands there {len(found)} times"):
                values[name] = found[0].decode().strip()
        self.need(message["Auto-Submitted"] == "auto-generated", "Auto-Submitted")
        subject = re.fullmatch(
            r"Report Domain: (\S+)\s+Submitter: (\S+)\s+Report-ID:\s+<([^@\s<>]+@[^@\s<>]+)>", message["Subject"] or ""
        )
        self.need(subject, f"Subject {message['Subject']!r}")
        parts = list(message.iter_parts())
        if not self.need(len(parts) == 2, f"{len(parts)} parts"):
            return values, message, None
        self.need(parts[0].get_content_type() == "text/plain", "the first part is not for people")
        self.need(parts[1].get_content_type() == "application/tlsrpt+gzip", parts[1].get_content_type())
        if subject:
            self.need(subject[1] == values.get("TLS-Report-Domain"), "Subject and TLS-Report-Domain differ")
            self.need(subject[2] == values.get("TLS-Report-Submitter"), "Subject and TLS-Report-Submitter differ")
            values["id"] = subject[3]
        # section 5.1
        name = re.fullmatch(
            r"([a-z0-9.-]+)!([a-z0-9._-]+)!(\d+)!(\d+)(?:!([A-Za-z0-9]+))?\.json\.gz", parts[1].get_filename() or ""
        )
        if self.need(name, f"file name {parts[1].get_filename()!r}"):
            self.need(name[1] == values.get("TLS-Report-Submitter"), "file name: submitter")
            self.need(name[2] == values.get("TLS-Report-Domain"), "file name: domain")
            values["begin"], values["end"] = int(name[3]), int(name[4])
        return values, message, parts[1].get_payload(decode=True)

    # section 3: signed by the reporting domain, without l=
    def signature(self, raw, message, submitter, key):
        import dkim

        field = message["DKIM-Signature"]
        if not self.need(field, "not signed"):
            return
        tags = dict(re.findall(r"([a-z]+)\s*=\s*([^;]*)", re.sub(r"\s+", "", str(field))))
        self.need("l" not in tags, "signed with l=")
        self.need(tags.get("d") == submitter, f"signed by {tags.get('d')}")
        signed = tags.get("h", "").lower().split(":")
        for name in ("from", "subject", "tls-report-domain", "tls-report-submitter"):
            self.need(name in signed, f"{name} is not signed")
        try:
            # strict: the key must name the service (s=tlsrpt)
            good = dkim.verify(raw, dnsfunc=lambda name, timeout=5: key.encode(), tlsrpt="strict")
        except dkim.DKIMException as error:
            good = False
            self.problems.append(f"DKIM: {error}")
        self.need(good, "the signature does not fit")


def check(one):
    checker = Checker()
    if "mail" in one:
        raw = base64.b64decode(one["mail"])
        values, message, body = checker.container(raw)
        if "key" in one:
            checker.signature(raw, message, values.get("TLS-Report-Submitter"), one["key"])
    else:
        values, body = {}, base64.b64decode(one["body"])
    report = None
    if body is not None:
        report = json.loads(gzip.decompress(body))
        checker.report(report)
        if "id" in values:
            checker.need(values["id"] == report.get("report-id"), "the ids of subject and report differ")
        if "begin" in values:
            start = datetime.datetime.fromisoformat(report["date-range"]["start-datetime"].replace("Z", "+00:00"))
            checker.need(values["begin"] == int(start.timestamp()), "file name: begin")
            checker.need(values["end"] == values["begin"] + 86399, "file name: end")
    return {"problems": checker.problems, "report": report, "headers": values}


json.dump([check(one) for one in json.load(sys.stdin)], sys.stdout)
