/** Danish and English words of content that never goes out unencrypted. How a list is read: `wordPattern` in ./matcher. */

/** Schemes of classification; they need no context. */
export const CLASSIFICATION: readonly string[] = [
  'strengt fortrolig*',
  'fortrolig',
  'fortroligt',
  'fortrolige',
  'personfølsom',
  'personfølsomt',
  'personfølsomme',
  'til tjenestebrug',
  'tavshedspligt',
  'tavshedspligtig*',
  'hemmelig',
  'hemmeligt',
  'strictly confidential',
  'confidential',
  'classified information',
]

/** Everyday words too: they classify only when they stand alone on a line or in brackets. */
export const CLASSIFICATION_ALONE: readonly string[] = [
  'intern',
  'internt',
  'internal',
  'kun til internt brug',
  'til internt brug',
  'internal use only',
  'internal only',
  'for internal use',
  'for internal use only',
  'restricted',
  'sensitive',
  'følsom',
  'følsomt',
  'secret',
  'private',
  'privat',
]

/** GDPR articles 9 and 10: what is said of a person when these stand beside a name or a pronoun. */
export const CONDITIONS: readonly string[] = [
  'diagnos*',
  'sygemeld*',
  'syge meld*',
  'handicap*',
  'medicineres*',
  'gravid*',
  'abort*',
  'partimedlem*',
  'straffeattest*',
  'sigtet',
  'tiltalt',
  'idømt',
  'straffedømt*',
  'domfældt*',
  'seksuel orientering*',
  'fagforeningsmedlem*',
  'sick leave*',
  'health condition*',
  'medical record*',
  'diagnosis*',
  'pregnan*',
  'disabled',
  'trade union member*',
  'criminal record*',
  'convicted',
  'sexual orientation*',
]

/** The same articles: subjects of teaching and research as well, so that only a pronoun makes them about somebody. */
export const TOPICS: readonly string[] = [
  'helbred*',
  'sygdom*',
  'psyki*',
  'medicin',
  'medicinen*',
  'medicinering*',
  'seksu*',
  'religion*',
  'religiøs*',
  'etnisk*',
  'fagforening*',
  'genetisk*',
  'biometri*',
  'disabilit*',
  'mental health*',
  'ethnic*',
  'religious belief*',
  'biometric*',
]

/** What shows that words are about somebody. */
export const PERSON_MARKS: readonly string[] = [
  'du',
  'dig',
  'din',
  'dit',
  'dine',
  'han',
  'hun',
  'hans',
  'hendes',
  'ham',
  'hende',
  'vedkommende*',
  'patienten',
  'borgeren',
  'eleven',
  'den studerende',
  'medarbejderen',
  'klienten',
  'ansøgeren',
  'you',
  'your',
  'he',
  'she',
  'his',
  'her',
  'the patient',
  'our patient',
  'the student',
  'our student',
  'the employee',
  'our employee',
  'cpr*',
  'personnummer*',
  'født',
]

/** A secret stands behind one of these, a colon or an equals sign. */
export const PASSWORD: readonly string[] = [
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'adgangskode',
  'adgangskoden',
  'kodeord',
  'kodeordet',
  'pinkode',
  'pin kode',
  'pin code',
  'api key',
  'api nøgle',
  'secret key',
  'access token',
  'client secret',
]

/** The number of a passport stands behind one of these. */
export const PASSPORT: readonly string[] = [
  'pas nr',
  'pas nummer',
  'pasnummer',
  'pasnr',
  'passport no',
  'passport number',
  'passport nr',
  'passport',
]

/** First names that are common in Denmark or in English; a word in capitals behind one of them makes it a name. */
export const FIRST_NAMES: readonly string[] =
  `Anders Andreas Ane Anna Anne Annette Anton Benjamin Bente Birgit Birgitte Bo Camilla Carl Caroline Cecilie Charlotte
  Christian Christina Christine Clara Daniel David Ditte Dorte Ella Else Emil Emilie Emily Emma Erik Esben Eva Flemming
  Frederik Freja George Grethe Gitte Hanne Hans Heidi Helle Henrik Ida Inge Inger Isabella Jack Jacob Jakob James Jan
  Jane Janne Jens Jeppe Jesper Johan Johanne John Jonas Julie Jørgen Karen Karl Karin Kasper Katrine Kim Kirsten Kristian
  Kristine Lars Laura Laust Lene Line Lis Lise Lisbeth Lone Lotte Louise Lucas Mads Magnus Maja Maria Marianne Marie
  Martin Mary Mathias Mathilde Mette Michael Mie Mikkel Mogens Morten Nanna Niels Nikolaj Oliver Olivia Oscar Ole Oskar
  Pernille Per Peter Poul Rasmus Rikke Robert Sanne Sara Sarah Signe Simon Sofia Sofie Sophie Stine Susan Susanne Søren
  Thomas Tina Tine Tobias Torben Trine Ulla Victor Viktor Vibeke William`.split(/\s+/)
