/** One mail, read once: what it holds, whether its opt-out is granted, and which category it belongs to. */
import { isUtf8 } from 'node:buffer'
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import { fieldsNamed, parseHeader } from '../message/header'
import { hasSignatureOver } from '../message/report-headers'
import { removeSubjectTag } from '../message/subject'
import { decideCategory3, takesAdvice } from './category3'
import { decide } from './decide'
import { readHere, readSmall, type ContentReader, type Found, type ReadingRules } from './reading'
import { readRequest, readSender } from './request'
import type { Inspection, Rules, Submission } from './types'

/**
 * Read, classify and decide. Never rejects for what is in a message: when it cannot be read now, that is what the
 * verdict says.
 *
 * @param raw the message as submitted, not dot-stuffed; given away: the caller must not use it any more
 * @param read who reads what is more than a small mail of text; null = nobody can read anything now
 */
export async function inspect(
  raw: Buffer,
  submission: Submission,
  settings: Settings,
  clock: Clock,
  read: ContentReader | null = readHere,
): Promise<Inspection> {
  const header = parseHeader(raw)
  const request = readRequest(header, settings, submission.requiretls ?? false)
  // what else is sensitive is looked for where it matters: when less protection is asked for, or more
  const asked = request.by !== null || request.secure
  const rules = asked ? settings : withoutSensitive(settings)
  const found =
    read === null
      ? unreadable()
      : (readSmall(raw, rules, clock, header) ?? (await read(raw, rules, clock).catch(unreadable)))
  const sender = request.by === null ? null : readSender(header, submission)
  const verdict = decide({ request, sender, ...found }, rulesFrom(settings))
  const category3 = decideCategory3({ asked: request.secure, ...found, granted: verdict.granted }, settings.category3)
  const subject = fieldsNamed(header, 'subject')[0]
  const subjectSigned = hasSignatureOver(header, 'subject')
  const strip =
    verdict.granted &&
    verdict.by === 'subject-tag' &&
    settings.override.stripTag &&
    (settings.override.stripSigned || !subjectSigned)
  return {
    verdict,
    category3,
    takesAdvice:
      category3.outcome !== 'none' &&
      takesAdvice(sender ?? readSender(header, submission), settings.main.internalDomains),
    inspected:
      !found.timeUp && found.uninspected.every(({ where }) => found.protection.some((one) => one.where === where)),
    secureRequested: request.secure,
    strippedSubject: strip && subject !== undefined ? stripped(subject.raw, settings.override.tags) : null,
    subjectSigned,
  }
}

const ordinaryRules = new WeakMap<Settings, ReadingRules>()

/** For mail that asks for nothing. */
function withoutSensitive(settings: Settings): ReadingRules {
  let rules = ordinaryRules.get(settings)
  if (rules === undefined) {
    const { content, public: marks, category3 } = settings
    rules = { content: { ...content, sensitive: [] }, public: marks, category3 }
    ordinaryRules.set(settings, rules)
  }
  return rules
}

/** Of a message that nobody could read: overload, a reader that broke, or the deadline. */
function unreadable(): Found {
  return {
    markers: [],
    conflicts: [],
    findings: [],
    persons: 0,
    nameRows: 0,
    sensitive: [],
    uninspected: [{ where: 'message', reason: 'it cannot be read now' }],
    protection: [],
    wholeProtected: false,
    timeUp: true,
    unread: true,
  }
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
