/** Records of an Excel 97-2003 workbook (MS-XLS section 2.1.4), and which of them are known. */

export interface XlsRecord {
  type: number
  /** Place of the record in the stream. */
  at: number
  data: Buffer
  /** Data of the CONTINUE records that follow, one by one: texts begin anew in each (section 2.5.293). */
  more: readonly Buffer[]
}

const CONTINUE = 0x003c
const HEADER = 4
/** Records that are defined (section 2.3.1), and the few of earlier versions that other programs still write. */
const KNOWN = new Set(
  (
    '6 a c d e f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 22 23 26 27 28 29 2a 2b 2f 31 33 3c 3d 40 41 42 4d 50 51 52 ' +
    '55 56 59 5a 5b 5c 5d 5e 5f 60 61 63 7d 80 81 82 83 84 85 86 8c 8d 90 92 97 98 99 9a 9b 9c 9d 9e a0 a1 ae af b0 b1 ' +
    'b2 b4 b5 b6 b8 b9 bd be bf c0 c1 c5 c6 c7 c8 c9 ca cb cc cd ce cf d0 d1 d2 d3 d5 d6 d7 d8 d9 da dc dd de e0 e1 e2 ' +
    'e3 e5 e9 eb ec ed ef f0 f1 f2 f4 f5 f6 f7 f8 f9 fb fc fd ff 100 103 122 137 138 13b 13d 13e 13f 140 14a 14b 14d ' +
    '14e 14f 150 151 152 153 15f 160 161 191 192 193 194 195 196 197 198 1a9 1aa 1ab 1ac 1ad 1ae 1af 1b0 1b1 1b2 1b5 ' +
    '1b6 1b7 1b8 1b9 1ba 1bb 1bc 1bd 1be 1c0 1c1 1c2 200 201 203 204 205 207 208 20b 221 225 236 23e 27e 293 418 41e ' +
    '43c 4bc 800 801 802 803 804 805 806 807 808 809 80a 80b 80c 80d 80e 80f 810 812 813 850 851 852 853 854 855 856 857 ' +
    '858 859 85a 862 863 864 865 866 867 868 86a 86b 86c 871 872 874 875 876 877 878 879 87a 87b 87c 87d 87e 87f 884 885 ' +
    '886 887 888 889 88a 88b 88c 88d 88e 88f 890 892 893 894 895 896 897 898 899 89a 89b 89c 89d 89e 89f 8a3 8a4 8a5 8a6 ' +
    '8a7 1001 1002 1003 1006 1007 1009 100a 100b 100c 100d 1014 1015 1016 1017 1018 1019 101a 101b 101c 101d 101e 101f ' +
    '1020 1021 1022 1024 1025 1026 1027 1032 1033 1034 1035 103a 103c 103d 103e 103f 1040 1041 1043 1044 1045 1046 1048 ' +
    '104a 104b 104e 104f 1050 1051 105b 105c 105d 105f 1060 1061 1062 1063 1064 1065 1066 1067 1068'
  )
    .split(' ')
    .map((hex) => Number.parseInt(hex, 16)),
)

/** Is this a record that the format defines? What others hold is not known. */
export function isKnown(type: number): boolean {
  return KNOWN.has(type)
}

/**
 * Cut a stream into its records.
 *
 * @param tick asked now and then; false ends the cutting
 * @returns `rest`: bytes behind the last whole record
 */
export function* records(stream: Buffer): Generator<XlsRecord, number> {
  let at = 0
  while (at + HEADER <= stream.length) {
    const start = at
    const type = stream.readUInt16LE(at)
    const data = dataAt(stream, at)
    if (data === null) return at
    at += HEADER + data.length
    const more: Buffer[] = []
    while (type !== CONTINUE && at + HEADER <= stream.length && stream.readUInt16LE(at) === CONTINUE) {
      const next = dataAt(stream, at)
      if (next === null) break
      more.push(next)
      at += HEADER + next.length
    }
    yield { type, at: start, data, more }
  }
  return at
}

function dataAt(stream: Buffer, at: number): Buffer | null {
  const length = stream.readUInt16LE(at + 2)
  return at + HEADER + length > stream.length ? null : stream.subarray(at + HEADER, at + HEADER + length)
}
