import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packageRoot } from '../lib/package-root'
import type { CommonOptions } from './io'

/**
 * The instance directory that a command works on: the one that was named, else the one that Haraka was told
 * (`$HARAKA`), else the current folder if it is one, else the checkout's `haraka-config`.
 *
 * @returns absolute path; undefined when there is none
 */
export function findInstance(options: CommonOptions): string | undefined {
  const named = options.config ?? process.env.HARAKA
  if (named !== undefined && named !== '') return path.resolve(named)
  return [process.cwd(), path.join(packageRoot(), 'haraka-config')].find(isInstance)
}

/** Does this folder hold a Haraka instance? */
export function isInstance(dir: string): boolean {
  return existsSync(path.join(dir, 'config', 'plugins'))
}

/** The name that the gateway itself says in EHLO: Haraka's `me`, else the machine's. */
export function heloName(instance: string): string {
  try {
    const name = readFileSync(path.join(instance, 'config', 'me'), 'utf8').trim()
    if (name !== '') return name
  } catch {
    // an instance without a name of its own uses the machine's
  }
  return os.hostname()
}
