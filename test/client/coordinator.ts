/** What a coordinator, or something else at its address, may answer; for the client's tests. */
import type { TransactionView } from '../../src/client/index.js';
import { json, raw } from '../participants/service.js';
import type { Answer, Service } from '../participants/service.js';

export const view: TransactionView = {
  gid: 'order-17',
  mode: 'tcc',
  businessKey: null,
  release: null,
  status: 'open',
  decision: null,
  reason: null,
  parked: null,
  branches: [],
  beganAt: '2026-01-05T12:00:00.000Z',
  decidedAt: null,
  endedAt: null,
  deadlineAt: '2026-01-05T12:00:30.000Z',
};

export const committed: TransactionView = {
  ...view,
  status: 'committed',
  decision: 'commit',
  decidedAt: '2026-01-05T12:00:01.000Z',
  endedAt: '2026-01-05T12:00:02.000Z',
};

/** Cuts the connection without a word. */
export const drop: Answer = (response) => void response.destroy();

/** Cuts the connection in the middle of the answer. */
export const half: Answer = (response) => {
  response.writeHead(200, { 'content-length': 1000 }).write('{"gid":');
  setImmediate(() => response.destroy());
};

/** Says nothing. */
export const silence: Answer = () => undefined;

export const page = (status: number): Answer => raw('<html>proxy</html>', status, { 'content-type': 'text/html' });

export function problem(status: number, code: string, headers: Record<string, string> = {}): Answer {
  const detail = `what became of it: ${code}`;
  return json({ type: `urn:tercet:${code}`, title: 'Title', status, detail, code }, status, headers);
}

/** Answers one after another; the last for all that come later. */
export function inTurn(...answers: Answer[]): Answer {
  let at = 0;
  return (response, asked) => {
    const answer = answers[Math.min(at, answers.length - 1)];
    at += 1;
    answer?.(response, asked);
  };
}

/** Every request as it came in: method, path and body. */
export function requests(service: Service): string[] {
  return service.asked.map(({ method, path, text }) => `${method} ${path} ${text}`.trim());
}
