import assert from 'node:assert/strict'
import fc from 'fast-check'
import { nameMatches } from '../../lib/deliver/names'

interface Row {
  presented: string
  reference: string
  fits: boolean
  why: string
}

const rows: Row[] = [
  { presented: 'mx.example.org', reference: 'mx.example.org', fits: true, why: 'RFC 6125 section 6.4.1' },
  { presented: 'MX.Example.ORG', reference: 'mx.example.org', fits: true, why: 'case does not count' },
  { presented: 'mx.example.org.', reference: 'mx.example.org', fits: true, why: 'a trailing dot does not count' },
  { presented: 'mx.example.com', reference: 'mx.example.org', fits: false, why: 'another name' },
  { presented: '*.example.org', reference: 'mx.example.org', fits: true, why: '6.4.3: the complete left-most label' },
  { presented: '*.example.org', reference: 'a.mx.example.org', fits: false, why: '6.4.3: exactly one label' },
  { presented: '*.example.org', reference: 'example.org', fits: false, why: '6.4.3: exactly one label' },
  { presented: 'm*.example.org', reference: 'mx.example.org', fits: false, why: '6.4.3 rule 3: no partial wildcard' },
  { presented: 'mx.*.org', reference: 'mx.example.org', fits: false, why: '6.4.3 rule 1: only the left-most label' },
  { presented: '*.*.org', reference: 'mx.example.org', fits: false, why: '6.4.3 rule 1' },
  { presented: '*', reference: 'localhost', fits: false, why: 'a lone star' },
  { presented: '*.dk', reference: 'example.dk', fits: false, why: 'a whole top-level domain' },
  { presented: '*.example.org', reference: '*.example.org', fits: false, why: 'a reference is never a wildcard' },
  { presented: 'mx.example.org', reference: '.example.org', fits: true, why: 'Postfix match=.example.org' },
  { presented: 'a.b.example.org', reference: '.example.org', fits: true, why: 'any depth below' },
  { presented: '*.example.org', reference: '.example.org', fits: true, why: 'a wildcard stands for names below' },
  { presented: 'example.org', reference: '.example.org', fits: false, why: 'not the domain itself' },
  { presented: 'evilexample.org', reference: '.example.org', fits: false, why: 'a label border, not a suffix' },
  { presented: '', reference: '', fits: false, why: 'nothing matches nothing' },
  { presented: 'x.', reference: '.', fits: false, why: 'the root is no reference' },
  { presented: 'mx.example.org\0.evil.test', reference: 'mx.example.org', fits: false, why: 'NUL in a name' },
  { presented: 'mx example.org', reference: 'mx example.org', fits: false, why: 'not a host name' },
]

describe('deliver: certificate names', () => {
  for (const row of rows) {
    it(`${JSON.stringify(row.presented)} ${row.fits ? 'fits' : 'does not fit'} ${JSON.stringify(row.reference)} (${row.why})`, () => {
      assert.equal(nameMatches(row.presented, row.reference), row.fits)
    })
  }

  it('whatever is presented, only an equal name or a one-label wildcard fits a host name', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/)
    const host = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.'))
    const presented = fc.oneof(
      host,
      host.map((name) => `*.${name}`),
      fc.string(),
    )
    fc.assert(
      fc.property(presented, host, (name, reference) => {
        if (!nameMatches(name, reference)) return
        const [, ...parents] = reference.split('.')
        assert.ok([reference, `*.${parents.join('.')}`].includes(name.toLowerCase().replace(/\.$/u, '')))
      }),
    )
  })
})
