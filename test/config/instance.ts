import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { formatProblem, loadConfig, type Settings } from '../../lib/config'

export interface TestInstance {
  dir: string
  write: (name: string, text: string) => void
  remove: (name: string) => void
}

const made: string[] = []

/** A folder with these files below `config/`; removed by `removeInstances`. */
export function instance(files: Readonly<Record<string, string>> = {}): TestInstance {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-config-'))
  made.push(dir)
  mkdirSync(path.join(dir, 'config'))
  const file = (name: string) => path.join(dir, 'config', name)
  const built: TestInstance = {
    dir,
    write: (name, text) => writeFileSync(file(name), text),
    remove: (name) => rmSync(file(name)),
  }
  for (const [name, text] of Object.entries(files)) built.write(name, text)
  return built
}

export function removeInstances(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
}

/** Settings of an instance with this `secure-mail.ini`; fails when they are refused. */
export function settingsOf(ini: string, map = '# no rows\n'): Settings {
  const { dir } = instance({ 'secure-mail.ini': ini, 'secure-mail.tls_policy': map })
  const loaded = loadConfig(dir)
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'))
  return loaded.settings
}

/** Self-signed, made for these tests; expires in 2126. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUHa6/Qj90Q6v8VdOPlVN1YWEXTKYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTI2MTEyMzIxMTU1OFoYDzIxMjYxMDMw
MjExNTU4WjAUMRIwEAYDVQQDDAlUZXN0IFJvb3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASrUD6/g2CmL40F/rnBnLtmRmlEY434aXVkR+o7Xtc0jzSwH3GkXlgC
Sd2EkQ/cuaK+l4E7hO++HXwsxQMFcL3oo1MwUTAdBgNVHQ4EFgQUiuHgQ2Gqm5zb
8/KWwyQLODBZVj8wHwYDVR0jBBgwFoAUiuHgQ2Gqm5zb8/KWwyQLODBZVj8wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAbPWaZWxYh5ce8XR6qLMd5
wTjF9OtSNPI7LgV6kxnPVwIgL/u6JJJxXrpznAePDxdD4ZlJWEujXK3V8XQ4haQh
+YU=
-----END CERTIFICATE-----
`
