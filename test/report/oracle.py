"""The questions of `secure-mail report`, computed from the audit files in another way: plain loops over JSON lines.

Shares nothing with the SQL but the definitions in docs/report.md. Prints {question: {section: [row, ...]}} as JSON.
Usage: oracle.py FOLDER SINCE UNTIL   (times as in @timestamp)
"""
import collections
import gzip
import hashlib
import json
import math
import os
import re
import statistics
import subprocess
import sys

FOLDER, SINCE, UNTIL = sys.argv[1:4]
TLS = {
    'starttls-not-supported', 'certificate-host-mismatch', 'certificate-expired', 'certificate-not-trusted',
    'validation-failure', 'tlsa-invalid', 'dnssec-invalid', 'dane-required', 'sts-policy-fetch-error',
    'sts-policy-invalid', 'sts-webpki-invalid', 'starttls-injection', 'tls-version-too-low',
    'fingerprint-mismatch', 'requiretls-not-supported',
}
INSIDE = {'internal', 'local', 'report'}


def content(path):
    if path.endswith('.gz'):
        with gzip.open(path) as stream:
            return stream.read()
    if path.endswith('.zst'):
        return subprocess.run(['zstd', '-dcq', path], check=True, stdout=subprocess.PIPE).stdout
    with open(path, 'rb') as stream:
        return stream.read()


def get(event, dotted, default=None):
    for name in dotted.split('.'):
        if not isinstance(event, dict) or name not in event:
            return default
        event = event[name]
    return event


class Event:
    def __init__(self, line):
        self.raw = line
        self.time = get(line, '@timestamp')
        self.action = get(line, 'event.action')
        self.mail = get(line, 'email.local_id')
        self.sender = get(line, 'email.sender.address')
        self.domains = get(line, 'securemail.recipient.domain') or []
        self.domain = self.domains[0] if self.domains else None
        keys = get(line, 'securemail.recipient.hmac') or [a.lower() for a in get(line, 'email.to.address') or []]
        self.keys = keys
        self.recipient = keys[0] if keys else ('@' + self.domain if self.domain else None)
        self.host = get(line, 'destination.domain')
        self.encrypted = get(line, 'tls.established')
        self.version = get(line, 'tls.version')
        self.cipher = get(line, 'tls.cipher')
        self.verified = get(line, 'securemail.tls.verified')
        self.auth = get(line, 'securemail.tls.auth')
        self.pkix = get(line, 'securemail.tls.pkix')
        self.source = get(line, 'securemail.policy.source')
        self.level = get(line, 'securemail.policy.level')
        self.result = get(line, 'securemail.result_type')
        self.would = get(line, 'securemail.would_result_type')
        self.age = get(line, 'securemail.queue_age_s')
        self.kind = get(line, 'securemail.report.kind')
        self.refusals = get(line, 'securemail.optout.refusals') or []
        self.case = get(line, 'securemail.case_id')
        self.message = get(line, 'message')
        self.outside = self.source not in INSIDE


events, health = [], []
last_hash = {}
for name in sorted(os.listdir(FOLDER)):
    match = re.fullmatch(r'audit-(\d{4}-\d\d-\d\d)\.([\w-]+)\.ndjson(\.gz|\.zst)?', name)
    if not match:
        continue
    day, label = match.group(1), match.group(2)
    row = dict(day=day, process=label, file=name, lines=0, damaged=0, missing=0, repeated=0, breaks=0)
    number, previous, link = 0, None, 'not-checked'
    for line in content(os.path.join(FOLDER, name)).split(b'\n'):
        if not line:
            continue
        row['lines'] += 1
        try:
            parsed = json.loads(line)
            event = Event(parsed)
            named = get(parsed, 'securemail.prev_hash')
            if previous is not None and named != previous:
                row['breaks'] += 1
            if previous is None and label in last_hash:
                link = 'whole' if named == last_hash[label] else 'broken'
            sequence = get(parsed, 'event.sequence')
            if sequence <= number:
                row['repeated'] += 1
            else:
                row['missing'] += sequence - number - 1
                number = sequence
            if SINCE <= event.time < UNTIL:
                events.append(event)
        except ValueError:
            row['damaged'] += 1
            number += 1
        previous = hashlib.sha256(line).hexdigest()
    last_hash[label] = previous
    row['link'] = link
    health.append(row)

of = collections.defaultdict(list)
for event in events:
    of[event.action].append(event)
attempts = [e for e in events if e.action in ('delivery-succeeded', 'delivery-deferred', 'delivery-failed') and e.outside]
done = [e for e in attempts if e.action == 'delivery-succeeded']
failed = [e for e in attempts if e.action != 'delivery-succeeded']
reached = {(e.mail, e.recipient) for e in done}
told = {(e.mail, key) for e in of['report-sent'] + of['report-undeliverable']
        if e.kind not in ('delayed', 'category3-advice') for key in e.keys}
lost = {}
for e in failed:
    key = (e.mail, e.recipient)
    if key in reached:
        continue
    state = lost.setdefault(key, dict(first=e, last=e, n=0, given_up=False))
    state['n'] += 1
    state['given_up'] |= e.action == 'delivery-failed'
    if e.time > state['last'].time:
        state['last'] = e
for key, state in lost.items():
    state['waiting'] = not (state['given_up'] or key in told)
    state['tls'] = state['last'].result in TLS
out = {}


def distinct(values):
    return len({v for v in values if v is not None})


def nearest_rank(values, q):
    values = sorted(values)
    return values[max(0, math.ceil(q * len(values)) - 1)] if values else None


def mails(action):
    return distinct(e.mail for e in of[action])


def day(e):
    return e.time[:10]


def grouped(items, key):
    groups = collections.defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


# overview
sent_ages = [e.age for e in of['report-sent'] if e.age is not None]
risk_clear = [e for e in done if e.encrypted is False and e.level == 'may']
risk_monitor = [e for e in done if e.encrypted is not False and e.would in TLS]
late = {(e.mail, e.recipient) for e in failed if e.action == 'delivery-deferred' and e.result in TLS} & {
    (e.mail, e.recipient) for e in done if e.encrypted}
total = len(done) + len(lost)
waiting = sum(s['waiting'] for s in lost.values())
risk_failed = sum(s['tls'] and not s['waiting'] for s in lost.values())
risk_waiting = sum(s['tls'] and s['waiting'] for s in lost.values())
at_risk = risk_failed + risk_waiting + len(risk_clear) + len(risk_monitor)
opted = [e for e in done if e.source == 'override']
outward = [e for e in of['message-accepted'] if get(e.raw, 'securemail.category') is not None]


def hours(seconds):
    return None if seconds is None else seconds / 3600


def share(n):
    return n / total if total else None


clear_done = [e for e in done if not e.encrypted]
figures = [
    ('mails accepted to the outside', len(outward), None),
    ('transmissions (mail and recipient outside)', total, None),
    ('delivered encrypted', len(done) - len(clear_done), 1),
    ('delivered in clear text', len(clear_done), 1),
    ('not delivered: given up', len(lost) - waiting, 1),
    ('not delivered yet: waiting', waiting, 1),
    ('AT RISK: TLS could not be had', at_risk, 1),
    ('at risk: given up', risk_failed, 1),
    ('at risk: waiting', risk_waiting, 1),
    ('at risk: went in clear text, as permitted', len(risk_clear), 1),
    ('at risk: would have failed (monitor mode)', len(risk_monitor), 1),
    ('late by TLS, then delivered encrypted', len(late), 1),
    ('opt-outs asked for (mails)', mails('optout-requested'), None),
    ('opt-outs granted (mails)', mails('optout-granted'), None),
    ('opt-outs refused (mails)', mails('optout-refused'), None),
    ('transmissions under an opt-out', len(opted), 1),
    ('of these encrypted all the same', sum(bool(e.encrypted) for e in opted), None),
    ('mails of category 3 (encrypted content)', sum(get(e.raw, 'securemail.category') == 3 for e in of['message-accepted']), None),
    ('mails that should have been category 3', len(of['category3-detected']), None),
    ('mails encrypted with S/MIME by the gateway', len(of['category3-encrypted']), None),
    ('reports to senders', len(of['report-sent']), None),
    ('delay notices', len(of['delay-notice-sent']), None),
    ('reports that did not reach a sender', len(of['report-undeliverable']), None),
    ('mail to report, median (hours)', hours(nearest_rank(sent_ages, 0.5)), None),
    ('mail to report, 95 of 100 within (hours)', hours(nearest_rank(sent_ages, 0.95)), None),
    ('mail to report, slowest (hours)', hours(max(sent_ages, default=None)), None),
    ('reports later than 24 hours', sum(a > 86400 for a in sent_ages), None),
]


def risky(e):
    return (e.encrypted is False and e.level == 'may') or e.would in TLS


risk_rows = [(s['last'].result, s['last'].domain, s['last'].sender) for s in lost.values() if s['tls']]
risk_rows += [(e.would or 'clear text permitted', e.domain, e.sender) for e in done if risky(e)]
code_rows = [(code, e.mail, e.sender) for e in of['optout-refused'] for code in e.refusals]
by_code = [dict(code=code, mails=distinct(r[1] for r in rows), senders=distinct(r[2] for r in rows))
           for code, rows in grouped(code_rows, lambda r: r[0]).items()]
out['overview'] = {
    'figures': [dict(figure=f, value=v, of_all=share(v) if s else None) for f, v, s in figures],
    'daily': [dict(day=d, encrypted=sum(e.action == 'delivery-succeeded' and bool(e.encrypted) for e in g),
                   clear=sum(e.action == 'delivery-succeeded' and not e.encrypted for e in g),
                   at_risk=sum(e.action == 'delivery-succeeded' and risky(e) for e in g),
                   failed_attempts=sum(e.action != 'delivery-succeeded' and e.result in TLS for e in g))
              for d, g in grouped(attempts, day).items()],
    'protection': [dict(policy_source=k[0], policy_level=k[1], tls_version=k[2], transmissions=len(g),
                        verified=sum(bool(e.verified) for e in g), share=len(g) / len(done))
                   for k, g in grouped(done, lambda e: (e.source or 'unknown', e.level or 'unknown',
                                                        (e.version or 'unknown') if e.encrypted else 'none')).items()],
    'at-risk': [dict(result_type=k, transmissions=len(g), domains=distinct(r[1] for r in g), senders=distinct(r[2] for r in g))
                for k, g in grouped(risk_rows, lambda r: r[0]).items()],
    'refusals': by_code,
    'reports': [dict(kind=k, reports=len(g), p50=nearest_rank([e.age for e in g], 0.5),
                     p95=nearest_rank([e.age for e in g], 0.95), slowest=max(e.age for e in g))
                for k, g in grouped(of['report-sent'], lambda e: e.kind).items()],
}

# clear-text
permits = grouped(of['plaintext-permitted'], lambda e: (e.mail, e.host))


def clear_row(e):
    return dict(time=e.time, sender=e.sender, domain=e.domain, mx_host=e.host, policy_source=e.source or 'unknown',
                rule_reason=get(e.raw, 'rule.description'), optout_by=get(e.raw, 'securemail.optout.by') or '',
                permitted=any(p.time <= e.time for p in permits.get((e.mail, e.host), [])), case_id=e.case, mail_id=e.mail)


clear = [(e, clear_row(e)) for e in of['plaintext-delivered']]
out_clear = [(e, r) for e, r in clear if r['policy_source'] not in INSIDE]
out['clear-text'] = {
    'deliveries': [r for _, r in out_clear],
    'reasons': [dict(policy_source=k[0], rule_id=k[1], policy_level=k[2], optout_by=k[3], deliveries=len(g),
                     senders=distinct(e.sender for e, _ in g), domains=distinct(e.domain for e, _ in g),
                     unpermitted=sum(not r['permitted'] for _, r in g), first_at=min(e.time for e, _ in g),
                     last_at=max(e.time for e, _ in g))
                for k, g in grouped(clear, lambda p: (p[1]['policy_source'], get(p[0].raw, 'rule.id') or '',
                                                      p[0].level or 'unknown', p[1]['optout_by'])).items()],
    'senders': [dict(sender=k[0], domain=k[1], deliveries=len(g), opted_out=sum(r['optout_by'] != '' for _, r in g),
                     first_at=min(e.time for e, _ in g), last_at=max(e.time for e, _ in g))
                for k, g in grouped(out_clear, lambda p: (p[0].sender, p[0].domain)).items()],
}

# refused
granted = grouped(of['optout-granted'], lambda e: e.sender)
out['refused'] = {
    'senders': [dict(sender=s, refused=distinct(e.mail for e in g), granted=distinct(e.mail for e in granted.get(s, [])),
                     repeat=distinct(e.mail for e in g) >= 3, codes=sorted({c for e in g for c in e.refusals}),
                     days=len({day(e) for e in g}), first_at=min(e.time for e in g), last_at=max(e.time for e in g))
                for s, g in grouped(of['optout-refused'], lambda e: e.sender).items()],
    'reasons': by_code,
    'refusals': [dict(time=e.time, sender=e.sender, domains=e.domains, refusals=e.refusals,
                      source_ip=get(e.raw, 'source.ip'), case_id=e.case, mail_id=e.mail) for e in of['optout-refused']],
}

# needless
elsewhere = grouped([e for e in done if e.encrypted and e.source != 'override'], lambda e: e.domain)
rows = []
for (sender, domain), g in grouped(opted, lambda e: (e.sender, e.domain)).items():
    encrypted = [e for e in g if e.encrypted]
    other = elsewhere.get(domain, [])
    if encrypted or other:
        rows.append(dict(sender=sender, domain=domain, opted_out=len(g), encrypted_anyway=len(encrypted),
                         in_clear=len(g) - len(encrypted), tls_elsewhere=len(other),
                         last_tls=max(e.time for e in encrypted + other), last_at=max(e.time for e in g)))
out['needless'] = {'senders': rows}

# partners
failures = [e for e in of['tls-failed'] if e.result in TLS and e.outside]
hit = grouped([e for e in failed if e.result in TLS], lambda e: e.domain)
good = grouped([e for e in done if e.encrypted], lambda e: e.domain)
rows = []
for domain, g in grouped(failures, lambda e: e.domain).items():
    last = max(e.time for e in g)
    with_tls = [e.time for e in good.get(domain, [])]
    before = [t for t in with_tls if t < last]
    h = hit.get(domain, [])
    rows.append(dict(domain=domain, state='recovered' if with_tls and max(with_tls) > last else 'failing',
                     result_types=sorted({e.result for e in g}),
                     since=min((e.time for e in g if not before or e.time > max(before)), default=None), last_failure=last,
                     last_tls=max(with_tls, default=None), failures=len(g), hosts=sorted({e.host for e in g}),
                     mails=distinct(e.mail for e in h), recipients=len({(e.mail, e.recipient) for e in h}),
                     senders=distinct(e.sender for e in h)))
out['partners'] = {
    'domains': rows,
    'senders': [dict(domain=k[0], sender=k[1], mails=distinct(e.mail for e in g),
                     recipients=len({(e.mail, e.recipient) for e in g}), last_at=max(e.time for e in g))
                for k, g in grouped([e for h in hit.values() for e in h], lambda e: (e.domain, e.sender)).items()],
    'daily': [dict(day=d, failures=len(g), domains=distinct(e.domain for e in g)) for d, g in grouped(failures, day).items()],
}

# proof
out['proof'] = {'deliveries': [
    dict(time=e.time, mail_id=e.mail, sender=e.sender, domain=e.domain, recipient=e.recipient, encrypted=e.encrypted,
         tls_version=e.version, cipher=e.cipher, verified=bool(e.verified), policy_level=e.level, policy_source=e.source,
         mx_host=e.host, cert_sha256=get(e.raw, 'tls.server.hash.sha256'), message=e.message) for e in done]}

# downgrade-signs: the log begins with the period here
shakes = [e for e in of['tls-negotiated'] + of['tls-failed'] if e.outside]
signs = []


def sign(name, g, before, after):
    signs.append(dict(time=min(e.time for e in g), sign=name, mx_host=g[0].host, before=before, after=after,
                      times=len(g), last_at=max(e.time for e in g)))


for host, g in grouped([e for e in shakes if e.host], lambda e: e.host).items():
    issuers = grouped([e for e in g if get(e.raw, 'tls.server.issuer')], lambda e: get(e.raw, 'tls.server.issuer'))
    first = {issuer: min(e.time for e in h) for issuer, h in issuers.items()}
    for issuer, h in issuers.items():
        older = [(t, i) for i, t in first.items() if t < first[issuer]]
        if older:
            sign('issuer-changed', h, max(older)[1], issuer)
    versions = grouped([e for e in g if e.encrypted and e.version], lambda e: e.version)
    first = {version: min(e.time for e in h) for version, h in versions.items()}
    for version, h in versions.items():
        older = [v for v, t in first.items() if t < first[version]]
        if older and version < min(older):
            sign('version-lowered', h, min(older), version)

    def word(e):
        return e.pkix or ('ok' if e.verified else None)

    fine = [e.time for e in g if word(e) == 'ok']
    if fine:
        worse = [e for e in g if word(e) not in (None, 'ok') and e.time > min(fine)]
        for pkix, h in grouped(worse, word).items():
            sign('certificate-worse', h, 'ok', pkix)
    injected = [e for e in g if e.result == 'starttls-injection']
    if injected:
        sign('injection', injected, '', 'data before the handshake')
first_tls = {}
for e in shakes:
    if e.encrypted:
        first_tls[e.domain] = min(e.time, first_tls.get(e.domain, e.time))
without = [e for e in shakes if e.result == 'starttls-not-supported']
without += [e for e in of['plaintext-delivered'] if e.level == 'may' and e.outside]
without = [e for e in without if e.domain in first_tls and e.time > first_tls[e.domain]]
for _, g in grouped(without, lambda e: (e.domain, e.host)).items():
    sign('tls-lost', g, 'TLS', 'no TLS')
out['downgrade-signs'] = {'signs': signs}

# weak-crypto
encrypted = [e for e in done if e.encrypted]


def kinds(e):
    version, cipher = e.version, e.cipher or ''
    after = get(e.raw, 'tls.server.not_after')
    subject = get(e.raw, 'tls.server.subject')
    found = []
    if version is not None and version < '1.2':
        found.append('old-version')
    if version is not None and version < '1.3' and not cipher.startswith(('ECDHE-', 'DHE-')):
        found.append('no-forward-secrecy')
    if any(word in cipher for word in ('RC4', 'DES', 'EXP', 'NULL', 'MD5')):
        found.append('weak-cipher')
    if subject is not None and subject == get(e.raw, 'tls.server.issuer'):
        found.append('self-signed')
    if after is not None and after < e.time:
        found.append('expired')
    if e.pkix not in (None, 'ok'):
        found.append('unverifiable')
    return found


weak = [(kind, e) for e in encrypted for kind in kinds(e)]
out['weak-crypto'] = {
    'kinds': [dict(kind=k, deliveries=len(g), share=len(g) / len(encrypted), domains=distinct(e.domain for _, e in g),
                   last_at=max(e.time for _, e in g)) for k, g in grouped(weak, lambda p: p[0]).items()],
    'domains': [dict(domain=d, kinds=sorted({k for k, _ in g}), versions=sorted({e.version for _, e in g}),
                     ciphers=sorted({e.cipher for _, e in g}),
                     deliveries=max(len(h) for h in grouped(g, lambda p: p[0]).values()), last_at=max(e.time for _, e in g))
                for d, g in grouped(weak, lambda p: p[1].domain).items()],
    'daily': [{'day': d, 'deliveries': len(g), **{kind: sum(kind in kinds(e) for e in g) / len(g) for kind in (
        'old-version', 'no-forward-secrecy', 'weak-cipher', 'self-signed', 'expired', 'unverifiable')}}
              for d, g in grouped(encrypted, day).items()],
}


# coverage
def protection(e):
    if not e.encrypted:
        return 'none'
    if e.source == 'dane' or (e.auth == 'dane' and e.verified):
        return 'dane'
    if e.source == 'mta-sts':
        return 'mta-sts'
    return 'verified' if e.verified else 'tls'


out['coverage'] = {
    'classes': [dict(protection=p, transmissions=len(g), share=len(g) / len(done), domains=distinct(e.domain for e in g))
                for p, g in grouped(done, protection).items()],
    'versions': [dict(tls_version=k[0], cipher=k[1], transmissions=len(g), share=len(g) / len(done)) for k, g in grouped(
        done, lambda e: ((e.version or 'unknown') if e.encrypted else 'none', e.cipher or '')).items()],
    'daily': [{'day': d, **{p: sum(protection(e) == p for e in g) for p in ('dane', 'mta-sts', 'verified', 'tls', 'none')}}
              for d, g in grouped(done, day).items()],
}

# changes
out['changes'] = {'events': [
    dict(time=e.time, action=e.action, message=e.message, operator=get(e.raw, 'securemail.operator') or get(e.raw, 'securemail.file_owner') or '',
         expires=get(e.raw, 'securemail.expires') or '') for e in events if e.action in (
        'config-loaded', 'config-rejected', 'override-expired', 'queue-retried', 'queue-bounced', 'certificate-harvested', 'certificate-changed')]}


# latency
def ages(kind, g):
    values = [e.age for e in g]
    return dict(kind=kind, reports=len(g), p50=nearest_rank(values, 0.5), p95=nearest_rank(values, 0.95),
                slowest=max(values), too_late=sum(v > 86400 for v in values))


out['latency'] = {
    'kinds': [ages('all', of['report-sent'])] + [ages(k, g) for k, g in grouped(of['report-sent'], lambda e: e.kind).items()],
    'late': [dict(mail_id=e.mail, age=e.age) for e in of['report-sent'] if e.age > 86400],
    'daily': [dict(day=d, reports=len(g), median=nearest_rank([e.age for e in g], 0.5) / 3600,
                   p95=nearest_rank([e.age for e in g], 0.95) / 3600, slowest=max(e.age for e in g) / 3600)
              for d, g in grouped(of['report-sent'], day).items()],
}

# odd-senders
rows = []


def odd(name, buckets, most, times, counted):
    for sender, by in buckets.items():
        numbers = {bucket: counted(g) for bucket, g in by.items()}
        top = max(numbers.values())
        usual = statistics.median(numbers.values())
        if top >= most and top >= times * usual:
            at = min(b for b, n in numbers.items() if n == top)
            sources = sorted({get(e.raw, 'source.ip') for e in of['message-accepted'] if e.sender == sender})[:5]
            if sources:
                stamp = at + ':00:00.000Z' if len(at) == 13 else at + 'T00:00:00.000Z'
                rows.append(dict(sender=sender, sign=name, time=stamp, value=top, usual=usual, sources=sources))


def buckets(items, size):
    return {s: grouped(g, lambda e: e.time[:size]) for s, g in grouped(items, lambda e: e.sender).items()}


odd('optout-burst', buckets(of['optout-requested'], 13), 5, 0, lambda g: distinct(e.mail for e in g))
odd('many-mails', buckets(of['message-accepted'], 13), 100, 10, len)
seen, fresh = set(), []
for e in sorted(outward, key=lambda e: e.time):
    for domain in e.domains:
        if (e.sender, domain) not in seen:
            seen.add((e.sender, domain))
            fresh.append(e)
odd('new-domains', buckets(fresh, 10), 20, 5, len)
out['odd-senders'] = {'senders': rows}

out['log-health'] = {'files': health}


# what-if
def fits(e):
    for name in get(e.raw, 'tls.server.x509.alternative_names') or []:
        if name == e.domain or name.endswith('.' + e.domain):
            return True
        if name.startswith('*.') and '.' in name[2:] and e.domain.partition('.')[2] == name[2:]:
            return True
    return False


def verdict(e, level):
    """None = would have gone."""
    if level == 'may':
        return None
    by_dane = e.verified and e.auth == 'dane'
    if level in ('dane', 'dane-only'):
        if by_dane:
            return None
        if e.would in ('tlsa-invalid', 'dnssec-invalid'):
            return e.would
    if not e.encrypted:
        return e.would or 'starttls-not-supported'
    if e.version < '1.2':
        return 'tls-version-too-low'
    if level == 'encrypt':
        return None
    if level == 'verify':
        return None if e.pkix == 'ok' else e.pkix or 'unknown'
    if level == 'secure':
        if e.verified and e.level == 'secure':
            return None
        if e.pkix in ('ok', 'certificate-host-mismatch'):
            return None if fits(e) else 'certificate-host-mismatch'
        return e.pkix or 'unknown'
    looked_up = e.source in ('default', 'mta-sts') and e.level in ('may', 'encrypt', 'dane', 'verify')
    if level == 'dane':
        return None if looked_up else 'unknown'
    return 'dane-required' if looked_up and get(e.raw, 'securemail.policy.would_have') is None else 'unknown'


def lost_verdict(e, level):
    # the invented log only loses mail by these two
    assert e.result in ('starttls-not-supported', 'tls-version-too-low'), e.result
    return None if level == 'may' else e.result


def bad(v):
    return v not in (None, 'unknown')


def what(j):
    _, went, v = j
    if v is None:
        return 'would go'
    if v == 'unknown':
        return 'not known'
    return 'WOULD FAIL, went' if went else 'would fail, failed anyway'


for level in ('may', 'encrypt', 'verify', 'secure', 'dane', 'dane-only'):
    judged = [(e, True, verdict(e, level)) for e in done]
    judged += [(s['last'], False, lost_verdict(s['last'], level)) for s in lost.values() if s['tls']]
    out['what-if ' + level] = {
        'summary': [dict(what=k, transmissions=len(g), of_all=len(g) / len(judged), domains=distinct(e.domain for e, _, _ in g),
                         senders=distinct(e.sender for e, _, _ in g)) for k, g in grouped(judged, what).items()],
        'partners': [dict(domain=d, would_fail=sum(w and bad(v) for _, w, v in g), failed_anyway=sum(not w and bad(v) for _, w, v in g),
                          not_known=sum(v == 'unknown' for _, _, v in g), would_go=sum(v is None for _, _, v in g),
                          reasons=sorted({v for _, _, v in g if bad(v)}) or None,
                          senders=distinct(e.sender for e, _, v in g if bad(v)))
                     for d, g in grouped(judged, lambda j: j[0].domain).items() if any(v is not None for _, _, v in g)],
        'reasons': [dict(reason=v, transmissions=len(g), domains=distinct(e.domain for e, _, _ in g))
                    for v, g in grouped([j for j in judged if bad(j[2])], lambda j: j[2]).items()],
    }
json.dump(out, sys.stdout)
