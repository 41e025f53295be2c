import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readHtml } from '../../lib/message/html'

describe('HTML to text', () => {
  const ALL: [source: string, all: string][] = [
    ['a<b>b</b>c', 'abc'],
    ['a<unknown>b', 'ab'],
    ['<p>a</p><p>b</p>', 'a\nb'],
    ['a<br>b', 'a\nb'],
    ['a\r\n   b', 'a b'],
    ['<pre>a\n b</pre>', 'a\n b'],
    ['<table><tr><th>x</th><th>y</th></tr><tr><td></td><td><p>1</p></td></tr></table>', 'x\ty\n\t1'],
    ['&lt;&amp;&#65;&#x42;&nosuch;&copy;', '<&AB&nosuch;©'],
    ['&#150;', '–'],
    ['1 < 2', '1 < 2'],
    ['a<!-- x -->b', 'ab'],
    ['a<!-->b', 'ab'],
    ['a<script>x</script>b', 'ab'],
    ['<p title=">">a', 'a'],
  ]
  for (const [source, all] of ALL) it(source.slice(0, 60), () => assert.equal(readHtml(source).all, all))

  const HIDDEN: string[] = [
    '<p style="display:none">x</p>',
    '<p style="font-size:0">x</p>',
    '<p hidden>x</p>',
    '<span style="color:#ffffff">x</span>',
    '<div style="DISPLAY : NONE"><div>x</div>x</div>',
    '<head><title>x</title></head>',
    '<style>.h{display:none}</style><p class=h>x</p>',
    '<blockquote>x</blockquote>',
    '<div class="gmail_quote">x</div>',
  ]
  for (const source of HIDDEN) {
    it(`is not taken for visible: ${source}`, () => {
      const { visible, all } = readHtml(source)
      assert.equal(visible.includes('x'), false)
      assert.equal(all.includes('x'), true)
    })
  }

  it('is visible', () => {
    const source =
      '<style>p.MsoNormal{font-size:11pt}</style><p class=MsoNormal style="font-size:11pt;color:#222;line-height:1.5">x</p>'
    assert.equal(readHtml(source).visible, 'x')
    assert.equal(readHtml('<p hidden>a</p>x').visible, 'x')
  })

  it('knows the images it shows', () => {
    assert.deepEqual(readHtml('<img src="cid:A%40b"><p style="background:url(cid:c@d)">').cids, ['a@b', 'c@d'])
  })

  // each of these takes minutes or the stack where time or depth grows faster than the input
  const HOSTILE: [name: string, source: string][] = [
    ['nested div', '<div>'.repeat(200_000)],
    ['<', '<'.repeat(1_000_000)],
    ['<!--', '<!--'.repeat(200_000)],
    ['<a', '<a '.repeat(200_000)],
    ['quotes', '<a b="'.repeat(200_000)],
    ['script', '<script>'.repeat(100_000)],
    ['style', '<style>'.repeat(100_000)],
    ['entities', '&#'.repeat(500_000)],
    ['style attribute', `<p style="${'font:'.repeat(100_000)}">`],
    ['tables', '<table><tr><td>'.repeat(50_000)],
    ['cells', '<td>'.repeat(200_000)],
    ['data URLs', 'data:'.repeat(100_000)],
  ]
  for (const [name, source] of HOSTILE) {
    it(`bounded: ${name}`, () => {
      const found = readHtml(source)
      assert.ok(found.all.length <= source.length * 2)
      assert.ok(found.hidden.length <= source.length)
    })
  }

  it('never throws', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '<p',
      '"',
      "'",
      '=',
      '<!--',
      '-->',
      '&',
      '#',
      'x',
      '</',
      '/',
      '<td>',
      '</table>',
      '<table>',
      '<style>',
      ' ',
      '<![CDATA[',
      '\\',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => void readHtml(pieces.join(''))),
      { numRuns: 1000 },
    )
  })
})
