/** What a content must be, whatever its schema says. */
import { canonicalJson } from '../config/canonical.js';
import { step } from '../config/pointer.js';
import { SECRET_KEY, secretIn } from '../config/secret.js';
import { CONFIG_LIMITS } from '../protocol/config.js';
import type { ConfigContent } from '../protocol/config.js';
import type { FieldError } from '../protocol/errors.js';
import { jsonProblem } from '../protocol/json.js';
import type { Json } from '../protocol/words.js';
import { badField, unfit } from './refusals.js';

const SHOWN = 100;

/** @param content with its secrets in clear or masked @throws TercetError naming each field that is wrong */
export function checkForm(content: ConfigContent): void {
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    throw badField('content', 'must be a JSON object');
  }
  const form = new Form();
  form.look(content, '', 1);
  if (form.secrets > CONFIG_LIMITS.secrets) form.complain('', `has more than ${CONFIG_LIMITS.secrets} secrets`);
  if (form.problems.length > 0) throw unfit('the content is not one that can be kept', form.problems);
  const text = canonicalJson(content);
  if (Buffer.byteLength(text) > CONFIG_LIMITS.contentBytes) {
    throw badField('content', `is larger than ${CONFIG_LIMITS.contentBytes} bytes of JSON`);
  }
  const problem = jsonProblem(text);
  if (problem !== null) throw badField('content', problem);
}

class Form {
  readonly problems: FieldError[] = [];
  secrets = 0;

  complain(path: string, message: string): void {
    if (this.problems.length < SHOWN) this.problems.push({ path, message });
  }

  look(value: Json, path: string, depth: number): void {
    if (value === null || typeof value !== 'object') return;
    if (depth > CONFIG_LIMITS.jsonDepth) {
      this.complain('', `is nested more than ${CONFIG_LIMITS.jsonDepth} levels deep`);
      return;
    }
    if (Array.isArray(value)) {
      value.forEach((item, index) => this.look(item, step(path, index), depth + 1));
      return;
    }
    const text = secretIn(value);
    if (text !== undefined) {
      this.lookAtSecret(text, path);
      return;
    }
    for (const [key, field] of Object.entries(value)) {
      if (key === SECRET_KEY)
        this.complain(path, `has ${SECRET_KEY}, which is the only key of its object and has text`);
      else if (key.startsWith('$')) this.complain(step(path, key), 'begins with $, which is kept for Tercet');
      this.look(field, step(path, key), depth + 1);
    }
  }

  private lookAtSecret(text: string, path: string): void {
    this.secrets += 1;
    if (path === '') this.complain(path, 'must be an object with fields, not a secret as a whole');
    if (text.length < 1 || text.length > CONFIG_LIMITS.secretChars) {
      this.complain(path, `must be a secret of 1 to ${CONFIG_LIMITS.secretChars} characters`);
    }
  }
}
