/**
 * A look at the first bytes of LMDB's data file. The engine itself must never be given a file that it would refuse:
 * lmdb 3.5.6 frees its environment twice when opening fails (`EnvWrap::openEnv`), which ends the process.
 */

/** Layout of data version 2 on 64-bit little-endian machines: page header, then MDB_meta (liblmdb/mdb.c). */
const OFFSET = { pageFlags: 18, magic: 24, version: 28, pageSize: 48, freeRoot: 88, mainRoot: 136, transaction: 152 }
const META_BYTES = 160
const META_FLAG = 0x08
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const NO_PAGE = 0xffff_ffff_ffff_ffffn

/** Bytes of the file's beginning that `dataFileProblem` wants to see: two meta pages of the largest size. */
export const HEAD_BYTES = 65536 + META_BYTES

/**
 * @param head the first `HEAD_BYTES` bytes of the file, or all of it
 * @param size of the file in bytes
 * @returns what is wrong, or null when LMDB can open it; an empty file is a new one
 */
export function dataFileProblem(head: Buffer, size: number): string | null {
  if (size === 0) return null
  const foreign = 'it is no LMDB data file of this version, or its beginning is damaged'
  if (!isMeta(head, 0)) return foreign
  const pageSize = head.readUInt32LE(OFFSET.pageSize)
  if (pageSize < 256 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) return foreign
  if (!isMeta(head, pageSize)) return foreign
  const newest = transactionOf(head, 0) > transactionOf(head, pageSize) ? 0 : pageSize
  const pages = BigInt(Math.ceil(size / pageSize))
  for (const root of [OFFSET.freeRoot, OFFSET.mainRoot]) {
    const page = head.readBigUInt64LE(newest + root)
    if (page !== NO_PAGE && page >= pages) return 'its end is missing'
  }
  return null
}

function isMeta(head: Buffer, at: number): boolean {
  return (
    head.length >= at + META_BYTES &&
    (head.readUInt16LE(at + OFFSET.pageFlags) & META_FLAG) !== 0 &&
    head.readUInt32LE(at + OFFSET.magic) === MAGIC &&
    head.readUInt16LE(at + OFFSET.version) === DATA_VERSION
  )
}

function transactionOf(head: Buffer, at: number): bigint {
  return head.readBigUInt64LE(at + OFFSET.transaction)
}
