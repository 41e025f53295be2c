import type { DnsAnswer, RecordData, RecordType, Resolver } from '../../lib/dns/types'

type Fault = { error: 'servfail' | 'timeout' }
type Entry<T extends RecordType> =
  | { records: RecordData[T][]; secure?: boolean; name?: string }
  | { kind: 'nodata' | 'nxdomain'; secure?: boolean; name?: string }
  | Fault

/** `MX example.org` and so on -> what a resolver says; what is not listed does not exist. */
export type FakeZone = Partial<Record<`${RecordType} ${string}`, Entry<RecordType>>>

/** A resolver without any network. */
export function fakeResolver(zone: FakeZone): Resolver & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
      asked.push(`${type} ${name}`)
      // the key says which type of records the entry holds
      const entry = (zone[`${type} ${name}`] ?? { kind: 'nxdomain' }) as Entry<T>
      return Promise.resolve(answerOf(name, entry))
    },
    close: () => Promise.resolve(),
  }
}

function answerOf<T extends RecordType>(name: string, entry: Entry<T>): DnsAnswer<T> {
  if ('error' in entry) return { kind: 'error', error: entry.error, detail: `fake ${entry.error}` }
  const final = entry.name ?? name
  const common = {
    secure: entry.secure ?? false,
    chain: final === name ? [] : [{ from: name, to: final }],
    name: final,
    ttl: 60,
  }
  return 'records' in entry ? { kind: 'records', records: entry.records, ...common } : { kind: entry.kind, ...common }
}
