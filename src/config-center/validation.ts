/** Whether a content could be released: by the schema of its namespace and its rules, or by the code that reads it. */
import type { ConfigContent } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { FieldError } from '../protocol/errors.js';
import type { NamespaceRow } from './namespace-rows.js';
import { rulesOf } from './namespace-rows.js';
import type { CenterParts } from './parts.js';
import { brokenRules } from './rules.js';
import type { Schemas } from './schemas.js';
import type { Vault } from './vault.js';

export class Validation {
  constructor(
    private readonly builtIn: CenterParts['builtIn'],
    private readonly schemas: Schemas,
    private readonly vault: Vault,
  ) {}

  /**
   * By JSON pointer, none naming a value.
   *
   * @param stored secrets sealed
   * @throws TercetError TERCET_CONFIG_CORRUPT: its secrets cannot be read
   */
  async problems({ environment, name, schema, ...row }: NamespaceRow, stored: string): Promise<FieldError[]> {
    const builtIn = this.builtIn.get(`${environment}/${name}`);
    // The code reads it as it is stored, and has no use for a secret.
    if (builtIn) return builtIn.check(JSON.parse(stored) as ConfigContent);
    const content = await this.vault.reveal(environment, name, stored, 'plain');
    const misfits = schema === null ? [] : this.schemas.misfits(schema, content);
    return [...misfits, ...brokenRules(rulesOf(row), content)];
  }

  /** The same for people who look: that it cannot be read is one more problem. */
  async shownProblems(row: NamespaceRow, stored: string): Promise<FieldError[]> {
    try {
      return await this.problems(row, stored);
    } catch (error) {
      if (error instanceof TercetError) return [{ path: '', message: error.detail }];
      throw error;
    }
  }
}
