/** What a university writes: sentences, names, signatures. Nothing in here is anything like a CPR number. */
import type { Random } from './text-random'

export type Language = 'da' | 'en'

const FIRST =
  'Anders Anna Birgit Camilla Christian Dorte Emma Freja Hans Ida Jens Karen Lars Mette Niels Peter Sofie Thomas'
const LAST =
  'Andersen Christensen Hansen Jensen Kristensen Larsen Madsen Nielsen Olsen Pedersen Rasmussen Sørensen Østergaard'

export const personName = (random: Random) => `${random.pick(FIRST.split(' '))} ${random.pick(LAST.split(' '))}`

const SENTENCES: Readonly<Record<Language, readonly string[]>> = {
  da: [
    'Tak for mødet i går, det var godt at få talt om rammerne for det nye semester.',
    'Vedhæftet finder du referatet fra studienævnet, som vi drøftede i sidste uge.',
    'Vi vender tilbage, når bevillingen er på plads, og budgettet for 2027 er godkendt.',
    'Lokale 3.2.1 er booket til eksamen den 14.01.2027 kl. 9.00-13.00.',
    'Husk at ansøgninger skal være modtaget senest fredag kl. 12.',
    'Fakultetet har 2.450 studerende og 318 ansatte fordelt på fire institutter.',
    'Ring gerne på 99 40 99 40, hvis du har spørgsmål til forløbet.',
    'Projektet er støttet med 1.250.000 kr. over tre år, jf. aftalen af 3. marts 2025.',
    'Kurset giver 5 ECTS og afholdes i ugerne 36-43.',
    'Den foreløbige tidsplan står på side 12-15 i bilaget.',
  ],
  en: [
    'Thank you for the meeting yesterday; it was good to talk about the plans for the new term.',
    'Please find attached the minutes of the study board, which we discussed last week.',
    'We will get back to you once the grant is in place and the budget for 2027 has been approved.',
    'Room 3.2.1 is booked for the exam on 14 January 2027, 9:00-13:00.',
    'Remember that applications have to reach us by Friday noon.',
    'The faculty has 2,450 students and 318 members of staff in four departments.',
    'Do call +45 99 40 99 40 if anything about the process is unclear.',
    'The project has a budget of EUR 168,000.00 over three years, see the agreement of 3 March 2025.',
    'The course is worth 5 ECTS and runs in weeks 36-43.',
    'A first schedule is on pages 12-15 of the annex.',
  ],
}

export const sentence = (random: Random, language: Language) => random.pick(SENTENCES[language])

/** A few of them, a blank between. */
export function paragraph(random: Random, language: Language): string {
  return Array.from({ length: 1 + random.below(4) }, () => sentence(random, language)).join(' ')
}

export function greeting(random: Random, language: Language): string {
  const name = personName(random).split(' ')[0] ?? ''
  return language === 'da' ? random.pick([`Kære ${name}`, `Hej ${name},`, 'Til rette vedkommende']) : `Dear ${name},`
}

export function signature(random: Random, language: Language): string {
  const [dear, post, unit] =
    language === 'da'
      ? ['Venlig hilsen', 'Fuldmægtig', 'Institut for Planlægning']
      : ['Kind regards', 'Administrative officer', 'Department of Planning']
  return [
    dear,
    '',
    personName(random),
    `${post}, ${unit}`,
    `Fredrik Bajers Vej ${1 + random.below(9)}, 9220 Aalborg`,
    `${language === 'da' ? 'Tlf.' : 'Phone'} +45 ${random.pick(['99', '96', '20'])} ${random.digits(2)} ${random.digits(2)} ${random.digits(2)}`,
    `CVR ${1 + random.below(9)}${random.digits(7)}`,
    'www.uni.example',
  ].join('\n')
}
