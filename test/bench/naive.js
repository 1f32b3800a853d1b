/** What one would write first: every step a statement and a commit of its own, calls one branch after the other recorded. */

export const NAIVE_SCHEMA = `
  CREATE TABLE naive_transaction (gid text PRIMARY KEY, status text NOT NULL, began_at timestamptz DEFAULT now());
  CREATE TABLE naive_branch (gid text, branch_id text, status text NOT NULL, payload jsonb, PRIMARY KEY (gid, branch_id));`;

export async function naive(pool, call, gid, branches) {
  await pool.query('INSERT INTO naive_transaction (gid, status) VALUES ($1, $2)', [gid, 'open']);
  const step = async (branch, op, status) => {
    await call(branch, op, gid);
    await pool.query('UPDATE naive_branch SET status = $3 WHERE gid = $1 AND branch_id = $2', [gid, branch, status]);
  };
  await Promise.all(
    branches.map(async (branch) => {
      await pool.query('INSERT INTO naive_branch (gid, branch_id, status, payload) VALUES ($1, $2, $3, $4)', [
        gid,
        branch,
        'started',
        '{"amount":1}',
      ]);
      await step(branch, 'try', 'done');
    }),
  );
  await pool.query('UPDATE naive_transaction SET status = $2 WHERE gid = $1', [gid, 'committing']);
  await Promise.all(branches.map((branch) => step(branch, 'confirm', 'confirmed')));
  await pool.query('UPDATE naive_transaction SET status = $2 WHERE gid = $1', [gid, 'committed']);
}
