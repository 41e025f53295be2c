import { existsSync } from 'node:fs'
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
