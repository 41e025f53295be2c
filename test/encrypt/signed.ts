/** Mails signed by openssl(1), as a correspondent's program would send them. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { openssl, type Issued, type Pki } from './pki'

export interface SignWish {
  signer: Issued
  /** Header field From; default: anna@partner.test. */
  from?: string
  /** More fields, each with its line end. */
  header?: string
  /** The content is inside the signature. */
  opaque?: boolean
  /** Certificates that go along. */
  along?: readonly Issued[]
  /** Further options of `openssl cms -sign`. */
  options?: readonly string[]
  /** The entity that is signed. */
  entity?: string
}

const ENTITY =
  'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nKære alle.\r\n\r\nHilsen Anna\r\n'
let count = 0

/** @returns the mail with CRLF line ends */
export function signedMail(pki: Pki, wish: SignWish): Buffer {
  const file = (name: string, content: string) => {
    const made = path.join(pki.dir, `sign-${++count}-${name}`)
    writeFileSync(made, content)
    return made
  }
  const along = wish.along ?? []
  const signed = openssl([
    ...['cms', '-sign', '-binary', '-crlfeol', '-in', file('entity', wish.entity ?? ENTITY)],
    ...['-signer', wish.signer.certFile, '-inkey', wish.signer.keyFile, '-md', 'sha256'],
    ...(wish.opaque === true ? ['-nodetach'] : []),
    ...(along.length > 0 ? ['-certfile', file('along.pem', along.map(({ cert }) => cert).join(''))] : []),
    ...(wish.options ?? []),
  ])
  const from = wish.from ?? 'From: Anna Berg <anna@partner.test>\r\n'
  const head = `${from}To: bo@uni.test\r\nSubject: signed\r\nMessage-ID: <${++count}@partner.test>\r\n${wish.header ?? ''}`
  const mail = Buffer.concat([Buffer.from(head), signed]).toString('latin1')
  return Buffer.from(mail.replace(/\r?\n/g, '\r\n'), 'latin1')
}
