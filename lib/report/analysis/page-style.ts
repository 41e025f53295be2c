/** The look of the page. Colours are pairs for light and dark; a test computes their contrast (WCAG 2.1, 1.4.3 and 1.4.11). */

/** By name of the custom property: light, dark. */
export const COLOURS: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  paper: ['#ffffff', '#14181d'],
  raised: ['#f3f5f7', '#1e242b'],
  ink: ['#1b1f24', '#e8ebee'],
  muted: ['#4d5761', '#b0bac4'],
  rule: ['#c9d0d7', '#3a444e'],
  good: ['#0a6144', '#6fd3ae'],
  bad: ['#a3201a', '#ff9e96'],
  s1: ['#1f5fa8', '#7db7ff'],
  s2: ['#b3261e', '#ff8a80'],
  s3: ['#8a5a00', '#e0b050'],
  s4: ['#0b6e4f', '#4cc9a0'],
  s5: ['#6b3fa0', '#c6a1ff'],
  s6: ['#5b6570', '#b8c0c8'],
}

function properties(which: 0 | 1): string {
  return Object.entries(COLOURS)
    .map(([name, pair]) => `--${name}:${pair[which]}`)
    .join(';')
}

const DASHES = ['none', '7 3', '2 3', '10 3 2 3', '4 2', '1 2']

/** The whole style sheet: nothing is loaded, and paper is always light. */
export const STYLE = `
:root{color-scheme:light dark;${properties(0)}}
@media (prefers-color-scheme:dark){:root{${properties(1)}}}
@media print{:root{color-scheme:light;${properties(0)}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1.25rem 3rem;max-width:76rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.2rem;margin:2.25rem 0 .25rem}
p{margin:.25rem 0}
.muted,figcaption,.note{color:var(--muted)}
.verdict{margin:1rem 0;padding:.6rem .9rem;border-left:.35rem solid;background:var(--raised);font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1rem 0;padding:0;list-style:none}
.cards li{background:var(--raised);padding:.7rem .9rem;border-radius:.4rem}
.cards b{display:block;font-size:1.6rem;line-height:1.25;font-variant-numeric:tabular-nums}
.cards span{color:var(--muted);font-size:.9rem}
.scroll{overflow-x:auto;margin:.75rem 0}
.scroll:focus-visible{outline:3px solid var(--s1);outline-offset:2px}
table{border-collapse:collapse;font-size:.9rem;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--rule)}
th{font-weight:600;white-space:nowrap}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.time{white-space:nowrap;font-variant-numeric:tabular-nums}
td.text,td.list{overflow-wrap:anywhere;min-width:7rem}
figure{margin:1rem 0;max-width:52rem}
figcaption{font-size:.9rem;margin-bottom:.35rem}
.bars{margin:0;padding:0;list-style:none}
.bars li{display:grid;grid-template-columns:minmax(6rem,15rem) 1fr 5.5rem;gap:.75rem;align-items:center;font-size:.9rem;margin:.2rem 0}
.bars .label{overflow-wrap:anywhere}
.bars .value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{width:100%;height:1rem}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:0 0 .4rem;padding:0;list-style:none;font-size:.9rem}
.key{width:1.4rem;height:.7rem;margin-right:.4rem}
.plot svg{display:block;width:100%;height:11rem;border-bottom:1px solid var(--muted);border-left:1px solid var(--muted)}
.plot .top,.days{font-size:.8rem;color:var(--muted);font-variant-numeric:tabular-nums}
.days{display:flex;justify-content:space-between;margin-top:.2rem}
.line{fill:none;stroke-width:2.5;vector-effect:non-scaling-stroke}
${Object.keys(COLOURS)
  .filter((name) => /^s\d$/.test(name))
  .map(
    (name, index) =>
      `.${name}{fill:var(--${name})}.l${index + 1}{stroke:var(--${name});stroke-dasharray:${DASHES[index] ?? 'none'}}`,
  )
  .join('')}
@media (max-width:34rem){body{padding:1rem .8rem 2rem}h1{font-size:1.4rem}.bars li{grid-template-columns:1fr 4.5rem}.bars .label{grid-column:1/-1}.plot svg{height:9rem}}
@media print{body{max-width:none;padding:0;font-size:10pt}.scroll{overflow:visible}table{font-size:8pt}tr,figure,.cards{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
`
