import type { TlsVersion } from './types'

const ORDER: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** Place of a version in time: a higher number is a newer protocol. */
export function versionRank(version: TlsVersion): number {
  return ORDER.indexOf(version)
}

/** The newer of two versions. */
export function newerVersion(a: TlsVersion, b: TlsVersion): TlsVersion {
  return versionRank(a) >= versionRank(b) ? a : b
}
