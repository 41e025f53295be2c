#!/usr/bin/env node
/**
 * `npm start`: Haraka in the foreground on an instance directory, with the plugin of this very package, and three lines
 * that say where it listens, what it enforces, and what to try next.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { formatProblem, loadConfig } from '../lib/config'
import { packageRoot } from '../lib/package-root'
import { linkPackage } from './init/write'

const root = packageRoot()
const instance = path.resolve(process.argv[2] ?? path.join(root, 'haraka-config'))
const listen = process.env.SECURE_MAIL_LISTEN

main()

function main(): void {
  if (!existsSync(path.join(instance, 'config'))) {
    fail(`${instance} is no instance directory (no config/ in it); make one with: npx secure-mail init DIR`)
  }
  if (listen !== undefined && !/^(\[[0-9a-f:.]+\]|[0-9.]+):\d{1,5}$/i.test(listen)) {
    fail(`SECURE_MAIL_LISTEN=${listen} is not an address and port, e.g. 127.0.0.1:2525 or [::1]:2525`)
  }
  const config = loadConfig(instance)
  if (!config.ok) {
    for (const problem of config.problems) console.error(`secure-mail: ${formatProblem(problem)}`)
    process.exit(2)
  }
  for (const name of ['queue', 'run']) mkdirSync(path.join(instance, name), { recursive: true, mode: 0o700 })
  linkPackage(instance)
  const haraka = harakaBinary()
  process.umask(0o077)
  const child = spawn(process.execPath, [haraka, '-c', instance], { stdio: 'inherit', env: process.env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal === 'SIGTERM' ? 'SIGINT' : signal))
  }
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
  const address = listen ?? listenAddress()
  const { main: rules } = config.settings
  announceWhenListening(address, [
    `secure-mail: listening on ${address}, relaying for the addresses in ${path.join(instance, 'config', 'relay_acl_allow')}`,
    `secure-mail: mode=${rules.mode} level=${rules.level}: mail to the outside ${rules.mode === 'enforce' ? 'goes out over TLS or not at all' : 'is only watched'}${rules.internalDomains.length === 0 ? '; set internal_domains in config/secure-mail.ini, nobody can opt out before' : ''}`,
    `secure-mail: try: swaks --server ${address} --from you@${rules.internalDomains[0] ?? 'example.org'} --to somebody@example.com   or: npx --no-install secure-mail policy example.com`,
  ])
}

function fail(message: string): never {
  console.error(`secure-mail: ${message}`)
  process.exit(2)
}

function harakaBinary(): string {
  try {
    const manifest = require.resolve('haraka/package.json', { paths: [instance, root] })
    return path.join(path.dirname(manifest), 'bin', 'haraka')
  } catch {
    return fail('Haraka is not installed beside the plugin: npm install haraka@3.3.4')
  }
}

function listenAddress(): string {
  const ini = path.join(instance, 'config', 'smtp.ini')
  const line = existsSync(ini) ? /^\s*listen\s*=\s*(\S+)/m.exec(readFileSync(ini, 'utf8')) : null
  return line?.[1] ?? '[::0]:25'
}

/** Connect now and then until the greeting comes, then say where we are; gives up after a minute without a word. */
function announceWhenListening(address: string, lines: readonly string[]): void {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  const port = Number(address.slice(at + 1))
  const until = Date.now() + 60_000
  const look = () => {
    const socket = net.connect({ host: host === '::0' || host === '0.0.0.0' ? 'localhost' : host, port })
    socket.setTimeout(2000, () => socket.destroy())
    socket.once('data', () => {
      socket.end('QUIT\r\n')
      for (const line of lines) console.log(line)
    })
    socket.once('error', () => {
      if (Date.now() < until) setTimeout(look, 300).unref()
    })
  }
  setTimeout(look, 500).unref()
}
