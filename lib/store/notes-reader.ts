/** Reads one object of unknown origin field by field, each exactly once, and insists in the end that nothing is left. */

/** The message names the place, never the value. */
export class NotesProblem extends Error {}

interface TextRule {
  min?: number
  max: number
  pattern?: RegExp
}

/**
 * Only own, enumerable data properties count: nothing inherited, no getter is ever called. What a proxy throws is the
 * caller's to catch.
 */
export class Reader {
  readonly #fields = new Map<string, unknown>()
  readonly #where: string

  /** @throws NotesProblem when it is no object, or has accessors or symbols */
  constructor(value: unknown, where: string) {
    this.#where = where
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NotesProblem(where)
    for (const name of Reflect.ownKeys(value)) {
      // `__proto__` as an own field (JSON.parse makes one) would be lost or worse wherever the object is copied.
      if (typeof name !== 'string' || name === '__proto__') throw new NotesProblem(where)
      this.#fields.set(name, dataProperty(value, name, where))
    }
  }

  #take(name: string): unknown {
    if (!this.#fields.has(name)) throw new NotesProblem(this.#at(name))
    const value = this.#fields.get(name)
    this.#fields.delete(name)
    return value
  }

  #at(name: string): string {
    return `${this.#where}.${name}`
  }

  has(name: string): boolean {
    return this.#fields.has(name)
  }

  /** Takes the field if it is null. */
  isNull(name: string): boolean {
    if (this.#fields.get(name) !== null) return false
    this.#fields.delete(name)
    return true
  }

  text(name: string, rule: TextRule): string {
    return checkText(this.#take(name), rule, this.#at(name))
  }

  flag(name: string): boolean {
    const value = this.#take(name)
    if (typeof value !== 'boolean') throw new NotesProblem(this.#at(name))
    return value
  }

  /** Milliseconds since the epoch. */
  time(name: string): number {
    const value = this.#take(name)
    if (!Number.isSafeInteger(value) || (value as number) <= 0) throw new NotesProblem(this.#at(name))
    return value as number
  }

  /** A whole number between the bounds. */
  number(name: string, { min, max }: { min: number; max: number }): number {
    const value = this.#take(name)
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw new NotesProblem(this.#at(name))
    }
    return value as number
  }

  oneOf<const T extends string | number | null>(name: string, allowed: readonly T[]): T {
    const value = this.#take(name)
    const found = allowed.find((one) => one === value)
    if (found === undefined) throw new NotesProblem(this.#at(name))
    return found
  }

  object<T>(name: string, read: (fields: Reader) => T): T {
    return readWhole(this.#take(name), this.#at(name), read)
  }

  orNull<T>(name: string, read: (fields: Reader) => T): T | null {
    return this.isNull(name) ? null : this.object(name, read)
  }

  objects<T>(name: string, max: number, read: (fields: Reader) => T): T[] {
    const at = this.#at(name)
    return items(this.#take(name), max, at).map((item) => readWhole(item, at, read))
  }

  /** @param read gives null for an item that is none */
  list<T>(name: string, max: number, read: (item: unknown) => T | null): T[] {
    const at = this.#at(name)
    return items(this.#take(name), max, at).map((item) => {
      const found = read(item)
      if (found === null) throw new NotesProblem(at)
      return found
    })
  }

  /** @param rule.max number of items; each must match `pattern` */
  texts(name: string, rule: { max: number; pattern: RegExp }): string[] {
    const at = this.#at(name)
    return items(this.#take(name), rule.max, at).map((item) =>
      checkText(item, { max: Infinity, pattern: rule.pattern }, at),
    )
  }

  /** An object with free keys. */
  map<T>(name: string, rule: { max: number; key: number }, read: (fields: Reader) => T): Record<string, T> {
    const at = this.#at(name)
    const inner = new Reader(this.#take(name), at)
    const keys = [...inner.#fields.keys()]
    if (keys.length > rule.max || keys.some((key) => key.length > rule.key)) throw new NotesProblem(at)
    return Object.fromEntries(keys.map((key) => [key, readWhole(inner.#fields.get(key), at, read)]))
  }

  /** @throws NotesProblem when a field has not been asked for */
  end(): void {
    if (this.#fields.size > 0) throw new NotesProblem(`${this.#where}: unknown field`)
  }
}

function readWhole<T>(value: unknown, where: string, read: (fields: Reader) => T): T {
  const fields = new Reader(value, where)
  const result = read(fields)
  fields.end()
  return result
}

function checkText(value: unknown, rule: TextRule, where: string): string {
  if (typeof value !== 'string') throw new NotesProblem(where)
  if (value.length < (rule.min ?? 0) || value.length > rule.max) throw new NotesProblem(`${where}: length`)
  if (rule.pattern !== undefined && !rule.pattern.test(value)) throw new NotesProblem(where)
  return value
}

/** The items of a real array without holes, accessors or further properties. */
function items(value: unknown, max: number, where: string): unknown[] {
  if (!Array.isArray(value)) throw new NotesProblem(where)
  if (value.length > max) throw new NotesProblem(`${where}: length`)
  // the indices and `length`
  if (Reflect.ownKeys(value).length !== value.length + 1) throw new NotesProblem(where)
  return Array.from({ length: value.length }, (_, i) => dataProperty(value, String(i), where))
}

function dataProperty(object: object, name: string, where: string): unknown {
  const property = Object.getOwnPropertyDescriptor(object, name)
  if (property === undefined || !('value' in property) || property.enumerable !== true) throw new NotesProblem(where)
  return property.value as unknown
}
