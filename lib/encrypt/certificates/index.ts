/** Certificates of correspondents (S/MIME): kept, judged, found. See docs/certificates.md. */
import type { Settings } from '../../config/settings'
import type { Store } from '../../store/types'
import { certificateBook } from './book'
import { certificateDirectory, type CertificateDirectory } from './directory'
import { trustOf } from './trust'

export type { CertificateDirectory, FoundCertificate } from './directory'

/** The certificates in the store, judged by the settings in force. */
export function createCertificateDirectory(
  store: Store,
  settings: () => Pick<Settings, 'category3'>,
): CertificateDirectory {
  return certificateDirectory(certificateBook(store), trustOf(settings))
}
