/** Control words of RTF 1.9.1 by what they do to the text. */

/** Words that stand for characters. */
export const CHARACTERS: ReadonlyMap<string, string> = new Map([
  ['par', '\n'],
  ['line', '\n'],
  ['lbr', '\n'],
  ['page', '\n'],
  ['column', '\n'],
  ['sect', '\n'],
  ['softline', '\n'],
  ['softpage', '\n'],
  ['softcol', '\n'],
  ['row', '\n'],
  ['nestrow', '\n'],
  ['cell', '\t'],
  ['nestcell', '\t'],
  ['tab', '\t'],
  ['emdash', '\u2014'],
  ['endash', '\u2013'],
  ['emspace', '\u2003'],
  ['enspace', '\u2002'],
  ['qmspace', '\u2005'],
  ['bullet', '\u2022'],
  ['lquote', '\u2018'],
  ['rquote', '\u2019'],
  ['ldblquote', '\u201c'],
  ['rdblquote', '\u201d'],
  ['ltrmark', '\u200e'],
  ['rtlmark', '\u200f'],
  ['zwbo', '\u200b'],
  ['zwnbo', '\u2060'],
  ['zwj', '\u200d'],
  ['zwnj', '\u200c'],
])

/** Symbols that stand for characters. */
export const SYMBOLS: ReadonlyMap<string, string> = new Map([
  ['~', '\u00a0'],
  ['-', '\u00ad'],
  ['_', '\u2011'],
  ['\\', '\\'],
  ['{', '{'],
  ['}', '}'],
  ['\n', '\n'],
  ['\r', '\n'],
  ['\t', '\t'],
  [':', ':'],
])

/** Groups with a text of their own beside the running one. */
export const ASIDES: ReadonlyMap<string, string> = new Map([
  ['header', 'header'],
  ['headerl', 'header'],
  ['headerr', 'header'],
  ['headerf', 'header'],
  ['footer', 'footer'],
  ['footerl', 'footer'],
  ['footerr', 'footer'],
  ['footerf', 'footer'],
  ['footnote', 'footnote'],
  ['annotation', 'comment'],
  ['atnid', 'comment'],
  ['atnauthor', 'comment'],
  ['shptxt', 'text box'],
  ['dptxbxtext', 'text box'],
])

/** Groups with text that is not shown, or not as it stands. */
export const HIDDEN = new Set(
  (
    'fonttbl colortbl stylesheet listtable listoverridetable rsidtbl revtbl filetbl fldinst fldtype xe tc bkmkstart ' +
    'bkmkend ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn nonesttables info private private1 template generator ' +
    'shpinst shprslt do pgptbl protusertbl userprops xmlnstbl wgrffmtfilter ffdeftext ffname ffentrytext ffhelptext ' +
    'ffstattext ffentrymcr ffexitmcr sn sv objname objclass objalias objsect falt panose fname fontemb fontfile ' +
    'pntxta pntxtb upr mhtmltag linkval proptype'
  ).split(' '),
)

/** Properties of the document (RTF 1.9.1, "Information Group"). */
export const PROPERTIES: ReadonlyMap<string, string> = new Map([
  ['title', 'Title'],
  ['subject', 'Subject'],
  ['author', 'Author'],
  ['manager', 'Manager'],
  ['company', 'Company'],
  ['operator', 'LastAuthor'],
  ['category', 'Category'],
  ['keywords', 'Keywords'],
  ['comment', 'Comments'],
  ['doccomm', 'Comments'],
  ['hlinkbase', 'HyperlinkBase'],
])

/** Groups of data: two hexadecimal digits a byte, or binary. */
export const DATA = new Set(['pict', 'objdata', 'themedata', 'colorschememapping', 'datastore'])

/** Groups that only hold other groups or tables; what stands in them belongs to the running text. */
export const TRANSPARENT = new Set([
  'shppict',
  'nesttableprops',
  'nonshppict',
  'shpgrp',
  'object',
  'result',
  'fldrslt',
  'field',
])

/** Windows code pages by character set of a font. */
export const CHARSETS: ReadonlyMap<number, number> = new Map([
  [0, 1252],
  [2, 1252],
  [77, 10000],
  [78, 10001],
  [128, 932],
  [129, 949],
  [134, 936],
  [136, 950],
  [161, 1253],
  [162, 1254],
  [163, 1258],
  [177, 1255],
  [178, 1256],
  [186, 1257],
  [204, 1251],
  [222, 874],
  [238, 1250],
  [254, 437],
  [255, 850],
])
