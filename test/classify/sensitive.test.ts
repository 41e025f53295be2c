import assert from 'node:assert/strict'
import { findSensitive, SENSITIVE_KINDS, type SensitiveKind } from '../../lib/classify'

const kinds = (text: string, running = true) => findSensitive(text, running).map(({ kind }) => kind)

describe('sensitive content, by kind', () => {
  const ROWS: [text: string, expected: SensitiveKind[]][] = [
    ['-----BEGIN RSA PRIVATE KEY-----', ['private-key']],
    ['-----BEGIN PRIVATE KEY-----', ['private-key']],
    ['-----BEGIN ENCRYPTED PRIVATE KEY-----', ['private-key']],
    ['-----BEGIN OPENSSH PRIVATE KEY-----', ['private-key']],
    ['-----BEGIN PGP PRIVATE KEY BLOCK-----', ['private-key']],
    ['---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----', ['private-key']],
    ['PuTTY-User-Key-File-3: ssh-ed25519', ['private-key']],
    ['AGE-SECRET-KEY-1QQQ', ['private-key']],
    ['-----BEGIN PUBLIC KEY-----', []],
    ['-----BEGIN CERTIFICATE-----', []],
    ['Adgangskode: x7Kp-2mq', ['password']],
    ['password = hunter2024', ['password']],
    ['API key: sk_live_51Hx0', ['password']],
    ['Kodeord: sommerferie', ['password']],
    ['Password: see the letter that we sent', []],
    ['The password: <your own>', []],
    ['Husk at skifte adgangskode.', []],
    ['DK50 0040 0440 1162 43', ['iban']],
    ['DK5000400440116243', ['iban']],
    ['dk5000400440116243 og mere', ['iban']],
    ['GB82 WEST 1234 5698 7654 32', ['iban']],
    ['NO93 8601 1117 947, straks', ['iban']],
    ['DK51 0040 0440 1162 43', []],
    ['ZZ50 0040 0440 1162 43', []],
    ['DK50 0040 0440 1162 4399', []],
    ['xDK5000400440116243', []],
    ['4111 1111 1111 1111', ['card']],
    ['kort 4111111111111111 12/27 123', ['card']],
    ['nr. 12 5555-5555-5555-4444', ['card']],
    ['3782 822463 10005', ['card']],
    ['5019 7170 1010 3742', ['card']],
    ['4111 1111 1111 1112', []],
    ['4006381333931', []],
    ['1234 5678 9012 3452', []],
    ['id 41111111111111110000', []],
    ['Pas nr. 209876543', ['passport']],
    ['Passport no: AB1234567', ['passport']],
    ['passport 12345', []],
    ['pas på 12345678', []],
    ['Dokumentet er fortroligt.', ['classification']],
    ['STRICTLY CONFIDENTIAL', ['classification']],
    ['personfoelsomme data', ['classification']],
    ['[INTERN]', ['classification']],
    ['Kun til internt brug', ['classification']],
    ['*** Internal use only ***', ['classification']],
    ['intern medicin og internal audit', []],
    ['Universitetet har en offentlig aktindsigt', []],
    ['hun er sygemeldt', ['article9']],
    ['din diagnose', ['article9']],
    ['Mette Hansen har et handicap', ['article9']],
    ['the patient has a diagnosis', ['article9']],
    ['Kursus i helbred og sygdom', []],
    ['Professor Mette Hansen forsker i helbred', []],
    ['Diagnoser i psykiatrien: en forelæsning', []],
    ['Helbred er godt. Mette Hansen holder oplæg.', []],
  ]
  for (const [text, expected] of ROWS)
    it(`${text}: ${expected.join(', ') || 'nothing'}`, () => assert.deepEqual(kinds(text), expected))

  it('a word that stands alone in a header value is no statement', () => {
    assert.deepEqual(kinds('private', false), [])
    assert.deepEqual(kinds('private', true), ['classification'])
  })

  it('each kind can be left out', () => {
    const text = ROWS.map(([row]) => row).join('\n\n')
    assert.deepEqual(new Set(kinds(text)), new Set(SENSITIVE_KINDS))
    for (const off of SENSITIVE_KINDS) {
      const left = SENSITIVE_KINDS.filter((kind) => kind !== off)
      assert.deepEqual(new Set(findSensitive(text, true, left).map(({ kind }) => kind)), new Set(left))
    }
    assert.deepEqual(findSensitive(text, true, []), [])
  })

  it('says where, in order of place, and never what', () => {
    const text = 'Kære Bo\n\nAdgangskode: x7Kp-2mq\nkonto DK50 0040 0440 1162 43\n'
    const hits = findSensitive(text)
    assert.deepEqual(
      hits.map(({ kind, start }) => [kind, start]),
      [
        ['password', 9],
        ['iban', text.indexOf('DK50')],
      ],
    )
    assert.doesNotMatch(JSON.stringify(hits), /x7Kp|DK50/)
  })
})
