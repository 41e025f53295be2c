import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'

/**
 * Look whether a file holds certificates in PEM form that can be parsed.
 *
 * @returns what is wrong with it, in one clause; undefined when it is good
 */
export function certificateFileFault(file: string): string | undefined {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    return code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`
  }
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return 'the file holds no certificate in PEM form'
  const bad = blocks.findIndex((block) => !isCertificate(block))
  return bad === -1 ? undefined : `certificate ${bad + 1} in the file cannot be parsed`
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem)
    return true
  } catch {
    return false
  }
}
