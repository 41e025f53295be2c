/** One mail, read once: what it holds, whether its opt-out is granted, and which category it belongs to. */
import { isUtf8 } from 'node:buffer'
import { findCpr, maskCpr, type CprHit } from '../classify/cpr'
import { readMarkers } from '../classify/markers'
import { protectionOf } from '../classify/protection'
import { findSensitive } from '../classify/sensitive'
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import { decodeWords } from '../message/encoded-words'
import { fieldsNamed } from '../message/header'
import type { Message, TextPiece } from '../message/message'
import { readMessage } from '../message/read'
import { hasSignatureOver } from '../message/report-headers'
import { removeSubjectTag } from '../message/subject'
import { decide } from './decide'
import { readRequest, readSender } from './request'
import type { Content, Finding, Inspection, Rules, Submission } from './types'

/** Findings that are told; persons are counted over all of them. */
const TOLD_FINDINGS = 1000

/**
 * Read, classify and decide.
 *
 * @param raw the message as submitted, not dot-stuffed
 * @returns a promise, because reading moves to worker threads for the formats that need them
 */
export function inspect(raw: Buffer, submission: Submission, settings: Settings, clock: Clock): Promise<Inspection> {
  const { content, message } = readContent(raw, submission, settings, clock)
  const verdict = decide(content, rulesFrom(settings))
  const subject = fieldsNamed(message.header, 'subject')[0]
  const subjectSigned = hasSignatureOver(
    message.header.fields.map((field) => field.raw),
    'subject',
  )
  const strip =
    verdict.granted &&
    verdict.by === 'subject-tag' &&
    settings.override.stripTag &&
    (settings.override.stripSigned || !subjectSigned)
  return Promise.resolve({
    verdict,
    subject: subject === undefined ? null : maskCpr(decodeWords(subject.value).text, clock.now()),
    secureRequested: content.request.secure,
    strippedSubject: strip && subject !== undefined ? stripped(subject.raw, settings.override.tags) : null,
    subjectSigned,
  })
}

/** The new field as text: raw 8-bit fields (RFC 6532) are UTF-8, and stay as they are when they are anything else. */
function stripped(raw: string, tags: readonly string[]): string | null {
  const field = removeSubjectTag(raw, tags)
  if (field === null || /^[\0-\x7f]*$/.test(field)) return field
  const bytes = Buffer.from(field, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}

/** The part of the configuration that `decide()` works by. */
export function rulesFrom(settings: Settings): Rules {
  return {
    internalDomains: settings.main.internalDomains,
    sendersAllow: settings.override.sendersAllow,
    sendersDeny: settings.override.sendersDeny,
    blockAt: settings.content.blockAt,
  }
}

function readContent(
  raw: Buffer,
  submission: Submission,
  settings: Settings,
  clock: Clock,
): { content: Content; message: Message } {
  const started = clock.now()
  const message = readMessage(raw, settings.content, clock)
  const request = readRequest(message.header, settings, submission.requiretls ?? false)
  const { protection, whole } = protectionOf(message.root)
  const markers = readMarkers(message, settings.public)
  const uninspected = [...message.uninspected]
  for (const { kind, where } of protection) {
    if (!uninspected.some((one) => one.where === where))
      uninspected.push({ where, reason: `it is encrypted (${kind})` })
  }
  const found = searchTexts(message.texts, () => clock.now() - started > settings.content.maxMillis, clock.now())
  if (found.timeUp) uninspected.push({ where: 'message', reason: 'the time for reading was up' })
  const mask = (text: string) => maskCpr(text, started)
  const content: Content = {
    request,
    sender: readSender(message.header, submission),
    markers: markers.markers.map((marker) => ({
      ...marker,
      value: mask(marker.value),
      ...(marker.where === undefined ? {} : { where: mask(marker.where) }),
    })),
    conflicts: markers.conflicts.map(({ where, detail }) => ({ where: mask(where), detail })),
    findings: found.findings.map((finding) => ({ ...finding, where: mask(finding.where) })),
    persons: found.persons,
    sensitive: found.sensitive.map(({ where, detail }) => ({ where: mask(where), detail })),
    uninspected: uninspected.map(({ where, reason }) => ({ where: mask(where), reason: mask(reason) })),
    protection: protection.map(({ kind, where }) => ({ kind, where: mask(where) })),
    wholeProtected: whole,
    timeUp: message.timeUp || found.timeUp,
  }
  return { content, message }
}

interface Found {
  findings: Finding[]
  persons: number
  sensitive: { where: string; detail: string }[]
  timeUp: boolean
}

function searchTexts(texts: readonly TextPiece[], isTimeUp: () => boolean, now: number): Found {
  const best = new Map<string, { hit: CprHit; where: string }>()
  const persons = new Set<string>()
  const sensitive: Found['sensitive'] = []
  for (const piece of texts) {
    if (isTimeUp()) return { findings: findingsOf(best), persons: persons.size, sensitive, timeUp: true }
    const place = placesIn(piece)
    for (const hit of findCpr(piece.text, now, isTimeUp)) {
      if (hit.counts) persons.add(hit.digest)
      // one place and number once: a text may have been read in two ways
      const key = `${piece.where}\0${hit.digest}`
      const known = best.get(key)
      const where = place(hit.start)
      if (known === undefined || known.hit.score < hit.score) best.set(key, { hit, where })
    }
    if (piece.role === 'raw') continue
    const running = !['subject', 'header', 'name'].includes(piece.role)
    for (const { detail } of findSensitive(piece.text, running)) sensitive.push({ where: piece.where, detail })
  }
  return { findings: findingsOf(best), persons: persons.size, sensitive, timeUp: isTimeUp() }
}

function findingsOf(best: ReadonlyMap<string, { hit: CprHit; where: string }>): Finding[] {
  return [...best.values()].slice(0, TOLD_FINDINGS).map(({ hit, where }) => ({
    kind: 'cpr',
    confidence: hit.confidence,
    where,
    masked: hit.masked,
    evidence: hit.evidence,
  }))
}

/** Plain text has lines that a sender can find again. Asked in order of place, so that counting is linear. */
function placesIn(piece: TextPiece): (at: number) => string {
  if (piece.role !== 'text') return () => piece.where
  let line = 1
  let next = piece.text.indexOf('\n')
  return (at) => {
    while (next !== -1 && next < at) {
      line++
      next = piece.text.indexOf('\n', next + 1)
    }
    return `${piece.where} line ${line}`
  }
}
