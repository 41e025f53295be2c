/** Answers without waiting, where there is nothing to wait for: over a warm cache a mail finds its way in one turn. */
import type { DnsAnswer, RecordType, Resolver } from './types'

/** Without a promise where the value is there. */
export type AtOnce<T> = T | Promise<T>

/** `Resolver.resolve`, at once where the answer is known. */
export function answerOf<T extends RecordType>(resolver: Resolver, name: string, type: T): AtOnce<DnsAnswer<T>> {
  return resolver.known?.(name, type) ?? resolver.resolve(name, type)
}
