import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * The folder of this package: where `package.json`, `config/` and `docs/` are, wherever the compiled code stands.
 *
 * @throws Error when the code was taken out of its package
 */
export function packageRoot(): string {
  for (let dir = __dirname; ; dir = path.dirname(dir)) {
    const file = path.join(dir, 'package.json')
    if (existsSync(file)) {
      const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string }
      if (name === 'haraka-plugin-secure-mail') return dir
    }
    if (path.dirname(dir) === dir)
      throw new Error(`secure-mail: no package.json of haraka-plugin-secure-mail above ${__dirname}`)
  }
}

/** Version of this package, as `package.json` says. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  return version
}
