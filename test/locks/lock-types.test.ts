/** The two classes of locks are kept apart by the compiler. */
import { compilerSays } from '../support/compiler.js';

test('a guarded write takes a token of the class correctness, and no other', async () => {
  expect(await compilerSays('test/locks/lock-types.ts')).toBe('');
});
