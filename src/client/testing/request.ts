/** What a client asks for, as the engine takes it. */
import type { BeginRequest as Asked } from '../../engine/begin.js';
import { TercetError } from '../../protocol/errors.js';
import { jsonProblem } from '../../protocol/json.js';
import { CHECK_BRANCH, IDENTIFIER, LIMITS } from '../../protocol/words.js';
import { jsonText } from '../json-text.js';
import type {
  BeginRequest,
  MessageBeginRequest,
  SagaBeginRequest,
  SagaBranchRequest,
  TccBeginRequest,
} from '../requests.js';

const TCC_DEADLINE_MS = 30_000;
const PARALLEL = 100;

/** @throws TercetError of the coordinator for what it would refuse; TypeError for what the kit cannot do */
export function askedOf(request: BeginRequest, gid: string): Asked {
  if (request.mode === 'message') return messageOf(request, gid);
  const { wait: _wait, waitMs: _waitMs, gid: _gid, ...content } = request;
  const branches: readonly SagaBranchRequest[] = request.branches ?? [];
  if (branches.length === 0) throw invalid('branches', 'must have at least one branch');
  return {
    gid,
    contentHash: jsonText(content, 'the request') ?? '',
    drive: 'coordinator',
    businessKey: request.businessKey ?? null,
    ...(request.mode === 'saga' ? sagaOf(request) : tccOf(request)),
    branches: withIds(branches, 'branches').map((branch, index) => ({
      ...branch,
      payload: payloadText(branch.payload, `branches[${index}].payload`),
    })),
  };
}

function messageOf(request: MessageBeginRequest, gid: string): Asked {
  const { wait: _wait, waitMs: _waitMs, gid: _gid, ...content } = request;
  const { component, payload, ...check } = request.check;
  const deliverAt = request.deliverAt === undefined ? null : new Date(request.deliverAt).getTime();
  if (Number.isNaN(deliverAt)) throw invalid('deliverAt', 'must be a time, ISO 8601');
  if (request.deliveries.length === 0) throw invalid('deliveries', 'must have at least one delivery');
  const deliveries = withIds(request.deliveries, 'deliveries').map((delivery, index) => {
    const own = { branchId: delivery.branchId, payload: payloadText(delivery.payload, `deliveries[${index}].payload`) };
    if (!('topic' in delivery)) return { ...own, component: delivery.component };
    const { topic, key = null, headers = {} } = delivery;
    return { ...own, component: '', topic: { topic, key, headers } };
  });
  const reserved = deliveries.findIndex(({ branchId }) => branchId === CHECK_BRANCH);
  if (reserved >= 0)
    throw invalid(`deliveries[${reserved}].branchId`, `must not be '${CHECK_BRANCH}': that is the check`);
  return {
    gid,
    contentHash: jsonText(content, 'the request') ?? '',
    mode: 'message',
    drive: 'initiator',
    businessKey: request.businessKey ?? null,
    deadlineMs: null,
    message: { check, deliverAt },
    branches: [{ branchId: CHECK_BRANCH, component, payload: payloadText(payload, 'check.payload') }, ...deliveries],
  };
}

/** @throws TercetError where a branchId is none, or is there twice */
function withIds<B extends { branchId: string }>(branches: readonly B[], field: string): readonly B[] {
  const seen = new Set<string>();
  branches.forEach(({ branchId }, index) => {
    const path = `${field}[${index}].branchId`;
    if (!IDENTIFIER.test(branchId)) {
      throw invalid(path, 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : -, and not . or ..');
    }
    if (seen.has(branchId)) throw invalid(path, `must be unique, '${branchId}' was used before`);
    seen.add(branchId);
  });
  return branches;
}

function tccOf({ drive = 'coordinator', deadlineMs = TCC_DEADLINE_MS }: TccBeginRequest) {
  if (drive !== 'coordinator') throw new TypeError('the test kit runs what the coordinator drives: leave drive out');
  return { mode: 'tcc' as const, deadlineMs };
}

function sagaOf({ branches, deadlineMs, recovery = 'backward', parallel = PARALLEL }: SagaBeginRequest) {
  const first = branches.findIndex(({ after }) => after === undefined);
  if (first >= 0 && branches.some(({ after }) => after !== undefined)) {
    throw invalid(`branches[${first}].after`, 'is missing: all branches say what they come after, or none does');
  }
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > LIMITS.branches) {
    throw invalid('parallel', `must be a whole number from 1 to ${LIMITS.branches}`);
  }
  return { mode: 'saga' as const, deadlineMs: deadlineMs ?? null, saga: { recovery, parallel } };
}

function payloadText(payload: unknown, path: string): string {
  const text = jsonText(payload ?? null, path) ?? 'null';
  const problem = jsonProblem(text);
  if (problem !== null) throw invalid(path, problem);
  if (Buffer.byteLength(text) > LIMITS.payloadBytes) {
    throw new TercetError('TERCET_REQUEST_TOO_LARGE', `${path}: is larger than ${LIMITS.payloadBytes} bytes`);
  }
  return text;
}

function invalid(path: string, message: string): TercetError {
  return new TercetError('TERCET_REQUEST_INVALID', `${path}: ${message}`, [{ path, message }]);
}
