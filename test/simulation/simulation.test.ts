import { MUTANTS } from './mutants.js';
import { simulate } from './run.js';

/** Fixed, so that a failure is the same tomorrow; `npm run simulate` takes a new one each time. */
const SEED = 20_261_121;
const SCHEDULES = 100_000;

test(`G1 to G4, G6, G7, G9 and the rules of sagas hold in ${SCHEDULES} random schedules from seed ${SEED} on`, async () => {
  const result = await simulate({ seed: SEED, schedules: SCHEDULES });
  expect(result.violation).toBeNull();
  expect(result.schedules).toBe(SCHEDULES);
  // A simulation in which nothing happens breaks nothing.
  expect(result.committed).toBeGreaterThan(SCHEDULES / 2);
  expect(result.aborted).toBeGreaterThan(SCHEDULES / 2);
  expect(result.sagasCommitted).toBeGreaterThan(SCHEDULES / 4);
  expect(result.sagasAborted).toBeGreaterThan(SCHEDULES / 4);
  expect(result.messagesCommitted).toBeGreaterThan(SCHEDULES / 5);
  expect(result.messagesAborted).toBeGreaterThan(SCHEDULES / 5);
}, 900_000);

describe('the simulation catches a planted defect:', () => {
  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    '%s',
    async (_name, mutant) => {
      const result = await simulate({ seed: 1, schedules: 40_000, edits: [mutant] });
      expect(result.violation).not.toBeNull();
    },
    300_000,
  );
});
