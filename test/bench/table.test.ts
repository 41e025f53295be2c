import assert from 'node:assert/strict'
import { figure, renderTable, spread } from '../../bench/table'

describe('bench: tables', () => {
  it('aligns columns and is valid Markdown', () => {
    const text = renderTable(
      [
        { title: 'relay', align: 'left' },
        { title: 'rate', align: 'right' },
      ],
      [
        ['Postfix', '9'],
        ['a|b', '1,234'],
      ],
    )
    assert.equal(
      text,
      [
        '| relay   |  rate |', //
        '| ------- | ----: |',
        '| Postfix |     9 |',
        '| a\\|b    | 1,234 |',
      ].join('\n'),
    )
  })

  it('refuses a row with a missing cell, which would shift all others', () => {
    assert.throws(() => renderTable([{ title: 'a', align: 'left' }], [[]]), RangeError)
  })

  const figures: [number, string][] = [
    [0.123, '0.12'],
    [9.999, '10.00'],
    [12.34, '12.3'],
    [99.96, '100.0'],
    [123.4, '123'],
    [1234567.8, '1,234,568'],
    [0, '0.00'],
  ]
  for (const [value, expected] of figures)
    it(`writes ${value} as ${expected}`, () => assert.equal(figure(value), expected))

  it('shows the range only when there is one', () => {
    assert.equal(spread(undefined), '-')
    assert.equal(spread({ median: 5, min: 5, max: 5, n: 1 }), '5.00')
    assert.equal(spread({ median: 5, min: 1, max: 120, n: 3 }), '5.00 (1.00-120)')
  })
})
