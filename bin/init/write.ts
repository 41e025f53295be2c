/** Writing an instance to disk without losing anything that is there. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'
import { HOOK_LIST, hookList, INSTANCE_FOLDERS } from './files'

export interface Written {
  /** Paths below the instance. */
  written: string[]
  /** Was there already, with the same text. */
  kept: string[]
  /** Was there with another text, and has been renamed. */
  renamed: { from: string; to: string }[]
}

/** What npm leaves in a folder where the package was just installed; a folder with no more than that is empty. */
const FROM_NPM = new Set(['node_modules', 'package.json', 'package-lock.json'])

/** Does this folder hold nothing that an instance could be mixed up with? A missing folder is empty. */
export function isFree(dir: string): boolean {
  return !existsSync(dir) || readdirSync(dir).every((name) => FROM_NPM.has(name))
}

/**
 * Write files and folders of an instance. A file that is there with another text is renamed, never overwritten.
 *
 * @param files text by name, below `config/`
 * @throws Error of the file system
 */
export function writeInstance(dir: string, files: ReadonlyMap<string, string>): Written {
  const result: Written = { written: [], kept: [], renamed: [] }
  mkdirSync(path.join(dir, 'config'), { recursive: true })
  for (const [name, text] of files) writeText(dir, path.join('config', name), text, result)
  mkdirSync(path.join(dir, path.dirname(HOOK_LIST)), { recursive: true })
  writeText(dir, HOOK_LIST, hookList(), result)
  for (const folder of INSTANCE_FOLDERS) {
    const full = path.join(dir, folder)
    mkdirSync(full, { recursive: true, mode: 0o700 })
    // mkdir is subject to the umask, and the folder may have been there
    chmodSync(full, 0o700)
    result.written.push(`${folder}/`)
  }
  return linkPackage(dir, result)
}

function writeText(dir: string, name: string, text: string, result: Written): void {
  const file = path.join(dir, name)
  if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) {
    if (existsSync(file) && readFileSync(file, 'utf8') === text) {
      result.kept.push(name)
      return
    }
    const to = freeName(dir, name)
    renameSync(file, path.join(dir, to))
    result.renamed.push({ from: name, to })
  }
  writeFileSync(file, text, { flag: 'wx' })
  result.written.push(name)
}

/** `config/smtp.ini.old`, `.old2`, ... */
function freeName(dir: string, name: string): string {
  for (let count = 1; ; count++) {
    const candidate = `${name}.old${count === 1 ? '' : count}`
    if (lstatSync(path.join(dir, candidate), { throwIfNoEntry: false }) === undefined) return candidate
  }
}

/** The plugin and the command in an instance's node_modules, and where they lead. */
const LINKS: readonly { name: string; probe: string; target: () => string }[] = [
  // `haraka -c DIR` looks for plugins there
  {
    name: path.join('node_modules', 'haraka-plugin-secure-mail'),
    probe: 'package.json',
    target: packageRoot,
  },
  // so that `npx --no-install secure-mail` works in the instance
  {
    name: path.join('node_modules', '.bin', 'secure-mail'),
    probe: '',
    target: () => path.join('..', 'haraka-plugin-secure-mail', 'dist', 'bin', 'secure-mail.js'),
  },
]

/**
 * Let Haraka and npx find this package in an instance. Where npm has installed it there, it is found already; a link that
 * leads nowhere is renamed.
 */
export function linkPackage(dir: string, result: Written = { written: [], kept: [], renamed: [] }): Written {
  for (const { name, probe, target } of LINKS) {
    const link = path.join(dir, name)
    if (existsSync(path.join(link, probe))) {
      result.kept.push(name)
      continue
    }
    mkdirSync(path.dirname(link), { recursive: true })
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) {
      const to = freeName(dir, name)
      renameSync(link, path.join(dir, to))
      result.renamed.push({ from: name, to })
    }
    symlinkSync(target(), link)
    result.written.push(name)
  }
  return result
}
