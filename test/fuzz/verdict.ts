/** Whether an answer is one that the document allows. */
import type { z } from 'zod';
import { checker } from '../support/openapi.js';
import type { OpenApi, Schema } from '../support/openapi.js';
import type { Answer } from './exchange.js';
import type { Operation, Request } from './requests.js';

const MAX_SHOWN = 300;

export class Judge {
  private readonly checkers = new Map<Schema, z.ZodType>();
  private readonly problem: Schema;

  constructor(private readonly document: OpenApi) {
    const problem = document.components.schemas['Problem'];
    if (!problem) throw new Error('the document has no schema of a problem');
    this.problem = problem;
  }

  /** @returns what is wrong, or null */
  judge(request: Request, answer: Answer): string | null {
    const { status, body } = answer;
    if (status >= 500 && status !== 503) return `answered ${status}: ${body.slice(0, MAX_SHOWN)}`;
    if (request.way === 'raw') return null;
    const wrong = request.operation
      ? this.judgeOperation(request, request.operation, answer)
      : this.judgeOther(request, answer);
    return wrong && `answered ${status}, ${wrong}: ${body.slice(0, MAX_SHOWN)}`;
  }

  private judgeOperation(request: Request, operation: Operation, { status, type, body }: Answer): string | null {
    const described = operation.responses[String(status)];
    if (!described) return 'which the document does not have';
    const taken = status < 300 ? this.wronglyTaken(request, operation) : null;
    if (taken) return taken;
    if (!described.content || request.method === 'HEAD') return null;
    const schema = described.content[type]?.schema;
    return schema ? this.misfit(schema, body) : `with the type '${type}', which the document does not have`;
  }

  private judgeOther(request: Request, { status, type, body }: Answer): string | null {
    if (status < 400 || request.method === 'HEAD') return null;
    if (type !== 'application/problem+json') return `with the type '${type}'`;
    return this.misfit(this.problem, body);
  }

  private wronglyTaken({ body }: Request, { requestBody }: Operation): string | null {
    if (!requestBody || !body?.toString().trim()) return requestBody?.required ? 'though it needs a body' : null;
    const wrong = this.misfit(requestBody.content['application/json'].schema, body.toString());
    return wrong && `though its body is not allowed: ${wrong}`;
  }

  private misfit(schema: Schema, text: string): string | null {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return 'not JSON';
    }
    const [issue] = this.checkerOf(schema).safeParse(value).error?.issues ?? [];
    return issue ? `${issue.path.join('.')}: ${issue.message}` : null;
  }

  private checkerOf(schema: Schema): z.ZodType {
    const there = this.checkers.get(schema);
    if (there) return there;
    const made = checker(this.document, schema);
    this.checkers.set(schema, made);
    return made;
  }
}
