/** The demo's mails, and what is to become of each: the table that the demo prints is checked against this. */
import type { ReportKind } from '../lib/notify/types'
import { HOME } from './partners'

/** What should happen to one recipient's copy. */
export type Expected =
  /** It arrives, encrypted, at this server. */
  | { happens: 'encrypted'; at: string }
  /** It arrives in clear text, at this server, and the tag is gone from its subject. */
  | { happens: 'clear'; at: string }
  /** It arrives nowhere, and the sender gets this report. */
  | { happens: 'reported'; kind: ReportKind }

export interface DemoRecipient {
  address: string
  expected: Expected
  /** Why that is right, in words for a newcomer. */
  why: string
}

export interface DemoMail {
  /** Number in the table, from 1; also in its Message-ID. */
  number: number
  from: string
  to: readonly DemoRecipient[]
  subject: string
  /** What the sender asked for, in a few words. */
  asked: string
  /** As the sender wrote it; HTML travels in base64, as mail programs like to do. */
  body: { text: string } | { html: string }
}

const ANNA = `anna@${HOME}`
const BENT = `bent@${HOME}`
const TEXT = { text: 'Dear all,\n\nplease find our notes below.\n\nKind regards\n' }
const NEWS = { text: 'Open house on 3 May, everybody is welcome. Programme: www.uni.example/open-house\n' }

const CLINIC = 'info@clinic.example'
/** A published test number that belongs to nobody. */
const TEST_CPR = '070761-4285'

const noTls: Pick<DemoRecipient, 'expected'> = { expected: { happens: 'reported', kind: 'tls-not-offered' } }

const LIST: readonly Omit<DemoMail, 'number'>[] = [
  {
    from: ANNA,
    subject: 'Notes of our meeting',
    asked: 'nothing',
    body: TEXT,
    to: [
      {
        address: 'post@partner.example',
        expected: { happens: 'encrypted', at: 'mx.partner.example' },
        why: 'The normal case: the sender notices nothing.',
      },
    ],
  },
  {
    from: ANNA,
    subject: 'Appointment on Tuesday',
    asked: 'nothing',
    body: TEXT,
    to: [{ address: CLINIC, ...noTls, why: 'The clinic’s server cannot encrypt, so nothing was sent.' }],
  },
  {
    from: BENT,
    subject: 'Payment details',
    asked: 'nothing; a rule says: check the certificate',
    body: TEXT,
    to: [
      {
        address: 'desk@bank.example',
        expected: { happens: 'reported', kind: 'certificate-expired' },
        why: 'The bank’s certificate ended three days ago.',
      },
    ],
  },
  {
    from: BENT,
    subject: 'The case of Monday',
    asked: 'nothing; a rule says: check the certificate',
    body: TEXT,
    to: [
      {
        address: 'office@lawyer.example',
        expected: { happens: 'reported', kind: 'certificate-wrong-name' },
        why: 'The certificate is for another name, so it may be another server.',
      },
    ],
  },
  {
    from: BENT,
    subject: 'Loan of the painting',
    asked: 'nothing',
    body: TEXT,
    to: [
      {
        address: 'loans@museum.example',
        expected: { happens: 'encrypted', at: 'mx.museum.example' },
        why: 'Its certificate is home-made; by default encryption is required, the certificate is not checked.',
      },
    ],
  },
  {
    from: ANNA,
    subject: 'Agenda',
    asked: 'nothing',
    body: TEXT,
    to: [
      {
        address: 'board@region.example',
        expected: { happens: 'encrypted', at: 'mx2.region.example' },
        why: 'The first server cannot encrypt, so the second one was used.',
      },
    ],
  },
  {
    from: ANNA,
    subject: 'Are you there?',
    asked: 'nothing',
    body: TEXT,
    to: [
      {
        address: 'info@closed.example',
        expected: { happens: 'reported', kind: 'unreachable' },
        why: 'The server did not answer; that has nothing to do with encryption, and the report says so.',
      },
    ],
  },
  {
    from: ANNA,
    subject: 'Hello',
    asked: 'nothing',
    body: TEXT,
    to: [
      {
        address: 'info@mispelt.example',
        expected: { happens: 'reported', kind: 'domain-unknown' },
        why: 'The domain does not exist; reported at once.',
      },
    ],
  },
  {
    from: ANNA,
    subject: '[unsecure] [public] Open house',
    asked: 'no encryption, for public text',
    body: NEWS,
    to: [
      {
        address: CLINIC,
        expected: { happens: 'clear', at: 'mx.clinic.example' },
        why: 'Marked public and nothing sensitive found: the opt-out is granted, recorded, and the tag taken off.',
      },
    ],
  },
  {
    from: BENT,
    subject: '[unsecure] [public] List of visitors',
    asked: 'no encryption, but a CPR number is hidden in base64 HTML',
    body: { html: `<p>Visitor: <b>Bo Test</b>, CPR-nummer <span>${TEST_CPR}</span></p>` },
    to: [{ address: CLINIC, ...noTls, why: 'The CPR number was found: opt-out refused, so encryption is required.' }],
  },
  {
    from: BENT,
    subject: '[unsecure] Open house',
    asked: 'no encryption, not marked as public',
    body: NEWS,
    to: [{ address: CLINIC, ...noTls, why: 'Nothing says that it is public: opt-out refused.' }],
  },
  {
    from: ANNA,
    subject: '[unsecure] [public] Press release',
    asked: 'no encryption, for public text',
    body: NEWS,
    to: [
      {
        address: 'press@partner.example',
        expected: { happens: 'encrypted', at: 'mx.partner.example' },
        why: 'Granted, but not needed: the partner can encrypt, so it was encrypted all the same.',
      },
    ],
  },
  {
    from: ANNA,
    subject: 'Minutes, to all three',
    asked: 'nothing; one mail to three',
    body: TEXT,
    to: [
      {
        address: 'chair@partner.example',
        expected: { happens: 'encrypted', at: 'mx.partner.example' },
        why: 'Each recipient is treated by itself.',
      },
      {
        address: 'bo@region.example',
        expected: { happens: 'encrypted', at: 'mx2.region.example' },
        why: 'Each recipient is treated by itself.',
      },
      { address: CLINIC, ...noTls, why: 'Only this recipient is in the report.' },
    ],
  },
]

/** All mails of the demo, in the order in which they are sent. */
export const MAILS: readonly DemoMail[] = LIST.map((mail, n) => ({ ...mail, number: n + 1 }))

/** Message-ID of a mail, without angle brackets. */
export const messageIdOf = ({ number }: Pick<DemoMail, 'number'>): string => `demo-${number}@${HOME}`
