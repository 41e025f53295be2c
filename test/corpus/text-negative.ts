/** Texts full of numbers that are none (section by section what is known to be taken for one). */
import { greeting, paragraph, signature, type Language } from './text-prose'
import { two, type Random } from './text-random'
import { draft, type CorpusItem } from './text-types'

function letter(name: string, make: (random: Random) => string, form = 'letter') {
  return (random: Random): CorpusItem => {
    const language: Language = random.chance(65) ? 'da' : 'en'
    const text = `${greeting(random, language)}\n\n${paragraph(random, language)}\n${make(random)}\n${paragraph(random, language)}\n\n${signature(random, language)}\n`
    return draft().say(text).done({ class: name, kind: 'negative', language, form })
  }
}

const day = (random: Random) => two(1 + random.below(28))
const month = (random: Random) => two(1 + random.below(12))
const time = (random: Random) => two(random.below(24)) + two(random.below(60))
const recent = (random: Random) => two(20 + random.below(7))
const hex = (random: Random, length: number) => Array.from({ length }, () => random.below(16).toString(16)).join('')
const number = (random: Random, length: number) => `${1 + random.below(9)}${random.digits(length - 1)}`
const groups = (random: Random, ...lengths: number[]) => lengths.map((length) => random.digits(length)).join(' ')

function isbn10(random: Random): string {
  const nine = `87${random.pick(['02', '01', '00', '12', '41'])}${random.digits(5)}`
  const sum = Array.from(nine).reduce((total, digit, n) => total + Number(digit) * (10 - n), 0)
  const check = (11 - (sum % 11)) % 11
  return nine + (check === 10 ? 'X' : String(check))
}

const uuid = (random: Random) =>
  `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-a${hex(random, 3)}-${hex(random, 12)}`

const log = (random: Random) =>
  Array.from(
    { length: 12 },
    () =>
      `2026-${month(random)}-${day(random)}T${two(random.below(24))}:${two(random.below(60))}:${two(random.below(60))}.${random.digits(3)}Z host${random.below(9)} app[${random.below(30000)}]: request ${hex(random, 16)} took ${random.below(5000)} ms, ${random.below(100000)} bytes from 10.${random.below(256)}.${random.below(256)}.${random.below(256)}`,
  ).join('\n')

const invoice = (random: Random) =>
  [
    `Faktura ${number(random, 6)}    Dato ${day(random)}.${month(random)}.2026`,
    ...Array.from(
      { length: 6 },
      () =>
        `${random.digits(5)}  Konsulentbistand  ${1 + random.below(40)} timer  ${1 + random.below(9)}.${random.digits(3)},00`,
    ),
    `I alt ${number(random, 2)}.${random.digits(3)},00 kr.`,
  ].join('\n')

const amounts = (random: Random) =>
  ['Konto;Budget;Forbrug;Rest']
    .concat(
      Array.from(
        { length: 15 },
        () => `${number(random, 4)};${number(random, 6)};${number(random, 5)},${random.digits(2)};${number(random, 7)}`,
      ),
    )
    .join('\n')

/** Every class, with what makes one item of it. */
export const NEGATIVE: readonly ((random: Random) => CorpusItem)[] = [
  letter('telephone', (r) => `Ring til +45 ${groups(r, 2, 2, 2, 2)} eller 0045${r.digits(8)}, mobil ${number(r, 8)}.`),
  letter('CVR and SE numbers', (r) => `CVR-nr. ${number(r, 8)}, SE-nr. ${number(r, 8)}`),
  letter('P number, labelled', (r) => `P-nr. 10${r.pick(['0', '1', '2'])}${r.digits(7)}`),
  letter('P number', (r) => `Enheden hedder 10${r.pick(['0', '1', '2'])}${r.digits(7)} hos os`),
  letter('bank account', (r) => `Reg.nr. ${number(r, 4)} konto ${random10(r)}`),
  letter('bank account, bare', (r) => `Overfør til ${number(r, 4)} ${random10(r)} senest fredag`),
  letter('IBAN', (r) => `IBAN DK${r.digits(2)} ${groups(r, 4, 4, 4, 2)} / DK${r.digits(16)}`),
  letter('EAN and GLN', (r) => `EAN 57900${r.digits(8)}, GLN 57980${r.digits(8)}`),
  letter('FIK line', (r) => `+71<${r.digits(15)}+${number(r, 8)}<`),
  letter('IMEI', (r) => `IMEI ${number(r, 15)}`),
  letter('ISBN-10', (r) => `${r.pick(['ISBN ', 'Bogen har nummer '])}${isbn10(r)}`),
  letter(
    'ISBN-13 and ISSN',
    (r) => `ISBN 978-87-${r.digits(5)}-${r.digits(2)}-${r.digits(1)}, ISSN ${r.digits(4)}-${r.digits(4)}`,
  ),
  letter(
    'ORCID and DOI',
    (r) =>
      `0000-000${r.below(4)}-${r.digits(4)}-${r.digits(4)}, doi:10.${number(r, 4)}/j.${r.digits(4)}.${r.digits(2)}`,
  ),
  letter('YYMMDDHHMM', (r) => `Kørsel ${recent(r)}${month(r)}${day(r)}${time(r)} er afsluttet`, 'ticket'),
  letter('DDMMYY-HHMM', (r) => `backup_${r.pick(['', 'db '])}${day(r)}${month(r)}${recent(r)}-${time(r)}.zip`, 'log'),
  letter('DDMMYY YYYY', (r) => `Mødet den ${day(r)}${month(r)}${recent(r)} ${2019 + r.below(9)} blev aflyst`),
  letter('Unix seconds', (r) => `"created": ${1_600_000_000 + r.below(180_000_000)}, "id": ${r.below(1000)}`, 'log'),
  letter('UUID', (r) => `id=${uuid(r)} parent=${uuid(r)}`, 'log'),
  letter('hexadecimal', (r) => `sha256:${hex(r, 64)} commit ${hex(r, 40)} ${hex(r, 32).toUpperCase()}`, 'log'),
  letter(
    'URL and Message-ID',
    (r) => `https://uni.example/a/${r.digits(10)}?x=${random10(r)} <${random10(r)}.${r.digits(6)}@mail.uni.example>`,
  ),
  letter(
    'order or invoice number',
    (r) => `${r.pick(['Ordrenr.', 'Faktura', 'Ticket', 'Order no.'])} ${random10(r)}`,
    'invoice',
  ),
  letter('ten digits at random', (r) => `Nummeret er ${random10(r)}, tak`),
  letter('eleven and more digits', (r) => `${number(r, 11)} og ${number(r, 12)} og ${number(r, 14)}`),
  letter('log', log, 'log'),
  letter('invoice', invoice, 'invoice'),
  letter('table of amounts', amounts, 'table'),
  letter(
    'dates and times',
    (r) =>
      `${day(r)}.${month(r)}.2026 kl. ${two(r.below(24))}.${two(r.below(60))}, ${day(r)}-${month(r)}-${recent(r)}, 2026-${month(r)}-${day(r)} ${two(r.below(24))}:${two(r.below(60))}`,
  ),
  letter(
    'versions and addresses',
    (r) =>
      `v${r.below(9)}.${r.below(30)}.${r.digits(4)}, 192.168.${r.below(256)}.${r.below(256)}:${number(r, 4)}, build ${number(r, 6)}`,
  ),
]

function random10(random: Random): string {
  return number(random, 10)
}
