import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readEnvid, readNotify, readOrcpt, readRet } from '../../lib/deliver/dsn-parameters'

describe('parameters of RFC 3461 section 4', () => {
  /** Reader; value; what it is read as. */
  const rows: [string, (value: string) => string | undefined, string, string | undefined][] = [
    ['4.1', readNotify, 'NEVER', 'NEVER'],
    ['4.1', readNotify, 'success,Delay', 'SUCCESS,DELAY'],
    ['4.1', readNotify, 'SUCCESS,FAILURE,DELAY', 'SUCCESS,FAILURE,DELAY'],
    ['4.1', readNotify, 'NEVER,NEVER', undefined],
    ['4.1', readNotify, 'NEVER,FAILURE', undefined],
    ['4.1', readNotify, 'FAILURE,FAILURE', undefined],
    ['4.1', readNotify, 'FAILURE,', undefined],
    ['4.1', readNotify, '', undefined],
    ['4.2', readOrcpt, 'rfc822;bo@partner.test', 'rfc822;bo@partner.test'],
    ['4.2', readOrcpt, 'rfc822;a+2Bb@partner.test', 'rfc822;a+2Bb@partner.test'],
    ['4.2', readOrcpt, 'rfc822;a+2bb@partner.test', undefined],
    ['4.2', readOrcpt, 'rfc822;', undefined],
    ['4.2', readOrcpt, ';bo@partner.test', undefined],
    ['4.2', readOrcpt, 'rfc 822;bo@partner.test', undefined],
    ['4.2', readOrcpt, `rfc822;${'x'.repeat(494)}`, undefined],
    ['4.3', readRet, 'hdrs', 'HDRS'],
    ['4.3', readRet, 'FULL', 'FULL'],
    ['4.3', readRet, 'full,hdrs', undefined],
    ['4.4', readEnvid, 'QQ314159', 'QQ314159'],
    ['4.4', readEnvid, 'a=b', undefined],
    ['4.4', readEnvid, 'x'.repeat(100), 'x'.repeat(100)],
    ['4.4', readEnvid, 'x'.repeat(101), undefined],
  ]
  for (const [section, reader, value, expected] of rows) {
    it(`${section} ${reader.name} ${value.slice(0, 40)}: ${expected === undefined ? 'is none' : 'is one'}`, () => {
      assert.equal(reader(value), expected)
    })
  }

  it('nothing that is read can end a command or begin another parameter', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (value) => {
        for (const reader of [readNotify, readEnvid, readOrcpt, readRet]) {
          assert.doesNotMatch(reader(value) ?? reader(`rfc822;${value}`) ?? '', /[^\x21-\x7e]/)
        }
      }),
    )
  })
})
