/** A handshake in the terms of ECS. A connection serves many mails with one, so that most lines find it ready made. */
import type { CertificateFacts, TlsFacts } from '../failure'
import { DIGEST, TIME } from './forms'
import { exact, key, object, plain, put, text, texts, type Json, type Mask } from './json'
import type { AuditEvent } from './types'

const K = {
  established: key('established'),
  version: key('version'),
  versionProtocol: key('version_protocol'),
  cipher: key('cipher'),
  resumed: key('resumed'),
  client: key('client'),
  serverName: key('server_name'),
  server: key('server'),
  subject: key('subject'),
  issuer: key('issuer'),
  notBefore: key('not_before'),
  notAfter: key('not_after'),
  hash: key('hash'),
  sha256: key('sha256'),
  x509: key('x509'),
  alternativeNames: key('alternative_names'),
  verified: key('verified'),
  auth: key('auth'),
  pkix: key('pkix'),
  spki: key('spki_sha256'),
} as const

/** What stands under `tls`, and under `securemail.tls`. */
export interface TlsJson {
  tls: Json | undefined
  own: Json | undefined
}

const UNKNOWN: TlsJson = { tls: undefined, own: undefined }
const NONE: TlsJson = { tls: object(put('', K.established, plain(false))), own: undefined }
const ready = new WeakMap<TlsFacts, TlsJson>()

/** @param mask for the texts in it; handshakes that name a mailbox are looked through each time */
export function tlsJson(tls: AuditEvent['tls'], mask: Mask): TlsJson {
  if (tls === undefined) return UNKNOWN
  if (tls === null) return NONE
  let json = ready.get(tls)
  if (json === undefined) {
    json = { tls: handshakeJson(tls, mask), own: ownJson(tls, mask) }
    // who is taken out of a text differs from mail to mail
    if (!JSON.stringify(tls).includes('@')) ready.set(tls, json)
  }
  return json
}

function handshakeJson(tls: TlsFacts, mask: Mask): Json | undefined {
  const { name, number } = versionOf(tls)
  let json = put('', K.established, plain(true))
  json = put(json, K.version, text(number, mask))
  json = put(json, K.versionProtocol, text(name, mask))
  json = put(json, K.cipher, text(tls.cipher, mask))
  json = put(json, K.resumed, plain(tls.resumed))
  json = put(json, K.client, object(put('', K.serverName, text(tls.servername, mask))))
  return object(put(json, K.server, tls.certificate === undefined ? undefined : certificateJson(tls.certificate, mask)))
}

/** What ECS has no name for. */
function ownJson(tls: TlsFacts, mask: Mask): Json | undefined {
  let json = put('', K.verified, plain(tls.verified))
  json = put(json, K.auth, text(tls.auth, mask))
  json = put(json, K.pkix, text(tls.pkix, mask))
  return object(put(json, K.spki, exact(tls.certificate?.spkiSha256.toLowerCase(), DIGEST, mask)))
}

function certificateJson(certificate: CertificateFacts, mask: Mask): Json | undefined {
  let json = put('', K.subject, text(certificate.subject, mask))
  json = put(json, K.issuer, text(certificate.issuer, mask))
  json = put(json, K.notBefore, exact(isoDate(certificate.notBefore), TIME, mask))
  json = put(json, K.notAfter, exact(isoDate(certificate.notAfter), TIME, mask))
  // ECS asks for upper case here.
  json = put(json, K.hash, object(put('', K.sha256, exact(certificate.sha256.toUpperCase(), DIGEST, mask))))
  return object(put(json, K.x509, object(put('', K.alternativeNames, texts(certificate.names, mask)))))
}

/** `TLSv1.3` -> tls, 1.3 (ECS keeps protocol and number apart). */
function versionOf(tls: TlsFacts): { name: string | undefined; number: string | undefined } {
  const match = /^(TLS|SSL)v?(\d(?:\.\d)?)$/i.exec(tls.version)
  if (match === null) return { name: undefined, number: undefined }
  const number = match[2] ?? ''
  return { name: (match[1] ?? '').toLowerCase(), number: number.includes('.') ? number : `${number}.0` }
}

function isoDate(value: string): string | undefined {
  const millis = Date.parse(value)
  return Number.isFinite(millis) ? new Date(millis).toISOString() : undefined
}
