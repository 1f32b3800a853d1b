/** The tables of `npm run bench`. */
interface Point {
  readonly initiators: number;
  readonly tercet: { readonly perSecond: number };
  readonly naive?: { readonly perSecond: number; readonly p50: number | null };
}

const WORDS: string = './words.js';
const { timesNaive } = (await import(WORDS)) as { timesNaive: (point: Point, seconds: number) => string };

test('a naive coordinator that ends no two waves within a turn is compared with nothing', () => {
  const at = (initiators: number, p50: number | null): string =>
    timesNaive({ initiators, tercet: { perSecond: 1000 }, naive: { perSecond: 400, p50 } }, 1);
  expect([at(64, 150), at(64, 340), at(64, null)]).toEqual(['2.5', '', '']);
  // Their turn is twice as long.
  expect([at(1024, 650), at(1024, 700)]).toEqual(['2.5', '']);
  expect(timesNaive({ initiators: 64, tercet: { perSecond: 1000 } }, 1)).toBe('');
});
