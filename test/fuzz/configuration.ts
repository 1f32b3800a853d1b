/** A configuration that is there before anybody asks: what requests would only make in the right order. */

/**
 * Environments n0 to n23, with the namespaces n0 to n23 each: two releases of all of them, a draft of each, and
 * in the environments from n8 on a gray release that runs.
 */
export const CONFIGURATION = `
  CREATE TEMP TABLE env AS SELECT 'n' || i AS name, i FROM generate_series(0, 23) i;
  CREATE TEMP TABLE content AS
    SELECT number, text, encode(sha256(convert_to(text, 'UTF8')), 'hex') AS checksum
      FROM (SELECT number, '{"a":' || number || '}' AS text FROM generate_series(1, 3) number) c;
  INSERT INTO tercet.config_environment (name, last_release, revision)
  SELECT name, CASE WHEN i < 8 THEN 2 ELSE 3 END, 3 FROM env;
  INSERT INTO tercet.config_release (environment, number, mode, checksum, reason, released_by, in_force_at)
  SELECT e.name, c.number, CASE c.number WHEN 3 THEN 'gray' ELSE 'all' END,
         encode(sha256(convert_to((SELECT '{' || string_agg(format('"%s":"%s"', n.name, c.checksum), ','
                                                            ORDER BY n.name COLLATE "C") || '}' FROM env n), 'UTF8')), 'hex'),
         'to begin with', 'nobody', CASE WHEN c.number < 3 THEN now() END
    FROM env e CROSS JOIN content c WHERE c.number < 3 OR e.i >= 8;
  INSERT INTO tercet.config_content (environment, number, namespace, base, content, checksum)
  SELECT e.name, c.number, n.name, nullif(c.number - 1, 0), c.text, c.checksum
    FROM env e CROSS JOIN content c CROSS JOIN env n WHERE c.number < 3 OR e.i >= 8;
  INSERT INTO tercet.config_namespace (environment, name, release, draft, draft_base, draft_revision, drafted_by, drafted_at, draft_reason)
  SELECT e.name, n.name, 2, '{"a":4}', 2, 1, 'nobody', now(), 'to begin with' FROM env e CROSS JOIN env n;
  INSERT INTO tercet.config_rollout (environment, number, mode, state, started_by)
  SELECT name, 3, 'gray', 'running', 'nobody' FROM env WHERE i >= 8;
`;
