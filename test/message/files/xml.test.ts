import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createFlow, PIECE } from '../../../lib/message/files/xml-flow'
import { readXml, type XmlHandler, type XmlOutcome } from '../../../lib/message/files/xml-tokens'
import { countingBudget } from './office-helpers'

interface Read {
  outcome: XmlOutcome
  events: string[]
}

function read(xml: string | Buffer, options: { unbalanced?: boolean; quiet?: boolean } = {}): Read {
  const events: string[] = []
  const add = (event: string) => (options.quiet === true ? 0 : events.push(event))
  const handler: XmlHandler<string> = {
    meaning: (space, local) => `${space}|${local}`,
    open: (name, attributes) => add(`<${name.meaning}${attributes.map((one) => ` ${one.name}=${one.value}`).join('')}`),
    close: (name) => add(`>${name.meaning}`),
    text: (text, parent) => add(`${parent.local}:${text}`),
  }
  const bytes = Buffer.isBuffer(xml) ? xml : Buffer.from(xml)
  const outcome = readXml(
    bytes,
    { pick: () => handler, aside: (text) => add(`!${text}`), unbalanced: options.unbalanced === true },
    countingBudget().budget,
  )
  return { outcome, events }
}

const W = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main'

describe('xml: tokens', () => {
  const rows: readonly (readonly [name: string, xml: string, events: readonly string[]])[] = [
    ['empty element', '<a/>', ['<|a', '>|a']],
    ['text', '<a>x</a>', ['<|a', 'a:x', '>|a']],
    ['references', '<a>&lt;&#50;&#x32;&amp;lt;</a>', ['<|a', 'a:<22&lt;', '>|a']],
    ['attributes in both quotes', `<a b="1" c='2>"'/>`, ['<|a b=1 c=2>"', '>|a']],
    ['blanks', '<a \n b = "1"\t/></a >'.replace('/></a >', '></a >'), ['<|a b=1', '>|a']],
    ['character data', '<a><![CDATA[<&]]>]]></a>', ['<|a', 'a:<&', 'a:]]>', '>|a']],
    ['comment', '<a>1<!-- <b> -->2</a>', ['<|a', 'a:1', '! <b> ', 'a:2', '>|a']],
    ['declaration and instruction', '<?xml version="1.0"?><?x y?><a/>', ['!xml version="1.0"', '!x y', '<|a', '>|a']],
    ['line ends', '<a>1\r\n2\r3</a>', ['<|a', 'a:1\n2\n3', '>|a']],
    ['mark and blanks around', '\ufeff\n<a/>\n', ['<|a', '>|a']],
    ['namespace', `<q:p xmlns:q="${W}"/>`, ['<word|p', '>word|p']],
    [
      'default namespace, and its end',
      `<a><p xmlns="${W}"><r/></p><r/></a>`,
      ['<|a', '<word|p', '<word|r', '>word|r', '>word|p', '<|r', '>|r', '>|a'],
    ],
    [
      'prefix that is declared anew',
      `<q:a xmlns:q="x"><q:p xmlns:q="${W}"/><q:p/></q:a>`,
      ['<|a', '<word|p', '>word|p', '<|p', '>|p', '>|a'],
    ],
    ['default namespace that is taken back', `<p xmlns="${W}"><p xmlns=""/></p>`, ['<word|p', '<|p', '>|p', '>word|p']],
  ]
  for (const [name, xml, events] of rows) {
    it(name, () => {
      const { outcome, events: read_ } = read(xml)
      assert.equal(outcome.problem, undefined)
      assert.deepEqual(
        read_.map((event) => event.replace(/ xmlns(?::q)?=\S*/g, '')),
        events,
      )
    })
  }

  const refused: readonly (readonly [xml: string, problem: RegExp])[] = [
    ['', /ends/],
    ['<a>', /ends/],
    ['<a', /ends/],
    ['<a b="', /ends/],
    ['<a><!-- ', /ends/],
    ['<a></b>', /match/],
    ['</a>', /match/],
    ['<a/><b/>', /more than one/],
    ['<a/>x', /ends|outside/],
    ['<a/>x<!-- -->', /outside/],
    ['x<a/>', /outside/],
    ['<!DOCTYPE a><a/>', /document type/],
    ['<a><!ELEMENT x></a>', /declaration/],
    ['<a>&nbsp;</a>', /reference/],
    ['<a>&#0;</a>', /reference/],
    ['<a>&#xD800;</a>', /reference/],
    ['<a>&</a>', /reference/],
    ['<a b="&x;"/>', /reference/],
    ['<a b=1/>', /parse/],
    ['<a b/>', /parse/],
    ['<a b="1"c="2"/>', /parse/],
    ['<a b="<"/>', /parse/],
    ['<a b="1" b="2"/>', /twice/],
    ['< a/>', /parse/],
    ['<a/ >', /parse/],
    ['<a></a b>', /parse/],
    ['<q:a/>', /prefix/],
    ['<a>\u0000</a>', /control/],
    ['<a>\u0008</a>', /control/],
    ['<a>\uffff</a>', /control/],
    ['<?xml version="1.0" encoding="utf-7"?><a/>', /encoding/],
    ['<?xml version="1.0" encoding="UTF-16"?><a/>', /encoding/],
    [`<a>${'<b>'.repeat(1000)}`, /too deep/],
    [`<a ${Array.from({ length: 1001 }, (_one, n) => `b${n}=""`).join(' ')}/>`, /attributes/],
    [`<a ${Array.from({ length: 20 }, (_one, n) => `b${n % 19}=""`).join(' ')}/>`, /twice/],
  ]
  for (const [xml, problem] of refused) {
    it(`refuses ${xml.slice(0, 40)}`, () => assert.match(read(xml).outcome.problem ?? '', problem))
  }

  it('gives the same events however the text falls into pieces', () => {
    // longer than a piece, so that every kind of token is cut somewhere
    for (const filler of [65_500, 65_520, 65_530, 65_535]) {
      for (let shift = 0; shift < 60; shift += 7) {
        const inner = `<b c="x > y" d='&#50;'>t&#50;x<!-- c --><![CDATA[d]]></b><e/>`
        const { outcome, events } = read(`<a>${'f'.repeat(filler + shift)}${inner}</a>`)
        assert.equal(outcome.problem, undefined)
        assert.deepEqual(events.slice(2), ['<|b c=x > y d=2', 'b:t2x', '! c ', 'b:d', '>|b', '<|e', '>|e', '>|a'])
      }
    }
  })

  it('lets HTML in drawings be as it is', () => {
    const { outcome, events } = read('<x><div>a<br>b</div></p></x>', { unbalanced: true })
    assert.equal(outcome.problem, undefined)
    assert.deepEqual(events, ['<|x', '<|div', 'div:a', '<|br', 'br:b', '>|br', '>|div', '>|x'])
  })

  it('ends when nobody wants the root', () => {
    const outcome = readXml(Buffer.from('<a><b></a>'), { pick: () => null, aside: () => 0 }, countingBudget().budget)
    assert.equal(outcome.other?.local, 'a')
  })

  it('asks for the time after every piece', () => {
    const { budget, spent } = countingBudget({ times: 3 })
    const long = Buffer.from(`<a>${'<b/>'.repeat(200_000)}</a>`)
    const handler = { meaning: () => '', open: () => 0, close: () => 0, text: () => 0 }
    const outcome = readXml(long, { pick: () => handler, aside: () => 0 }, budget)
    assert.match(outcome.problem ?? '', /time/)
    assert.equal(spent.times, 4)
  })

  it('never throws, and never takes changed bytes for something that ends elsewhere', () => {
    const xml = `<a xmlns:w="${W}"><w:p x="1 &amp; 2">tekst &#230;<!-- k --><![CDATA[c]]></w:p></a>`
    fc.assert(
      fc.property(fc.nat(xml.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(xml)
        bytes[at] = byte
        const { outcome } = read(bytes)
        assert.ok(outcome.work <= 20 * xml.length)
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            '<',
            '>',
            '/',
            '!',
            '?',
            '-',
            '[',
            ']',
            '=',
            '"',
            "'",
            ' ',
            'a',
            '&',
            '#',
            ';',
            'x',
            ':',
          ),
        }),
        (text) => void read(text),
      ),
      { numRuns: 500 },
    )
  })
})

describe('xml: work grows with the length, not faster', () => {
  /** Characters that are looked at, for a hostile document of n repetitions. */
  const rows: readonly (readonly [name: string, make: (n: number) => string])[] = [
    ['tags that open', (n) => '<a>'.repeat(n)],
    ['less-than signs', (n) => `<a>${'<'.repeat(n)}`],
    ['comments that open', (n) => `<a>${'<!--'.repeat(n)}`],
    ['character data that opens', (n) => `<a>${'<![CDATA['.repeat(n)}`],
    ['instructions that open', (n) => `<a>${'<?'.repeat(n)}`],
    ['a tag of blanks', (n) => `<a ${' '.repeat(n)}`],
    ['a tag of blanks that ends badly', (n) => `<a ${' '.repeat(n)}!>`],
    ['a name without end', (n) => `<${'a'.repeat(n)}`],
    ['a value without end', (n) => `<a b="${'x>'.repeat(n)}`],
    ['attributes', (n) => `<a ${'b="1" '.repeat(n)}`],
    ['references', (n) => `<a>${'&#50;'.repeat(n)}</a>`],
    ['ampersands', (n) => `<a>${'&'.repeat(n)}</a>`],
    ['text without a tag', (n) => `<a>${'x'.repeat(n)}`],
    ['elements in order', (n) => `<a>${'<b></b>'.repeat(n)}</a>`],
    [
      'declarations of namespaces',
      (n) => `<a>${Array.from({ length: n }, (_one, k) => `<q:b xmlns:q="${k}"/>`).join('')}</a>`,
    ],
    ['deep declarations', (n) => Array.from({ length: n }, (_one, k) => `<q${k}:b xmlns:q${k}="x">`).join('')],
    ['unbalanced ends', (n) => `<a>${'</b>'.repeat(n)}</a>`],
  ]
  for (const [name, make] of rows) {
    it(name, () => {
      for (const n of [1000, 100_000]) {
        const xml = make(n)
        for (const unbalanced of [false, true]) {
          const { outcome } = read(xml, { unbalanced, quiet: true })
          assert.ok(outcome.work <= 6 * xml.length + 1000, `${n}: ${outcome.work} of ${xml.length}`)
        }
      }
    })
  }
})

describe('xml: flow', () => {
  it('gives each way of showing a paragraph once', () => {
    const flow = createFlow()
    flow.openParagraph()
    flow.add('a', 0)
    flow.add('b', PIECE.deleted)
    flow.add('c', PIECE.inserted)
    flow.add('d', PIECE.hidden)
    flow.closeParagraph()
    assert.deepEqual(flow.texts(), { lines: 'abcd', views: 'ac\nab\nacd\nabd' })
  })

  it('keeps boxes, notes and paragraphs inside a paragraph apart from it', () => {
    const flow = createFlow()
    flow.openParagraph()
    flow.add('1', 0)
    flow.openBox()
    flow.openParagraph()
    flow.add('box', 0)
    flow.closeParagraph()
    flow.closeBox()
    flow.openParagraph()
    flow.add('inner', 0)
    flow.closeParagraph()
    flow.add('2', 0)
    flow.closeParagraph()
    assert.equal(flow.texts().lines, 'box\ninner\n12')
  })

  it('joins paragraphs whose end is not shown, also inside a box', () => {
    const flow = createFlow()
    flow.openBox()
    flow.openParagraph()
    flow.add('1', 0)
    flow.joinNext()
    flow.closeParagraph()
    flow.openParagraph()
    flow.add('2', 0)
    flow.closeParagraph()
    flow.closeBox()
    assert.deepEqual(flow.texts(), { lines: '1\n2', views: '12' })
  })

  it('writes rows with tabs, and paragraphs of a cell with a blank', () => {
    const flow = createFlow()
    flow.openRow()
    for (const texts of [['a', 'b'], [], ['c\td']]) {
      flow.openCell()
      for (const text of texts) {
        flow.openParagraph()
        flow.add(text, 0)
        flow.closeParagraph()
      }
    }
    flow.closeRow()
    assert.equal(flow.texts().lines, 'a b\t\tc d')
  })

  it('does not mind what is closed without being open', () => {
    const flow = createFlow()
    flow.closeRow()
    flow.closeBox()
    flow.closeParagraph()
    flow.openCell()
    flow.add('x', 0)
    assert.equal(flow.texts().lines, 'x')
  })
})
