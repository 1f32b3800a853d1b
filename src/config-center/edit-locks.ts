/**
 * Who edits a namespace: a lock, so that people see each other. What is right is ensured by comparing revisions; the lock
 * adds that nobody writes by a lock that he has lost.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { guard } from '../locks/guard.js';
import type { FencingToken, HeldLock, LockStore } from '../locks/lock.js';
import { CodedError } from '../platform/coded-error.js';
import type { EditLockView, EditorView } from '../protocol/config.js';
import { TercetError } from '../protocol/errors.js';
import type { Database } from '../storage/database.js';
import { answered, LOCK_TABLE } from '../storage/guarded.js';
import { auditStatement } from './audit.js';
import { lastReleaseOf, namespaceRow } from './namespace-rows.js';
import type { EditClaim } from './orders.js';
import type { CenterParts } from './parts.js';

/** Of a lock that is taken for one write. */
const WRITE_MS = 10_000;
const EDITING = ' editing';

/** A lock by which a write is guarded. */
export interface Grip {
  readonly name: string;
  readonly token: FencingToken;
}

export class EditLocks {
  private readonly locks: LockStore<'correctness'>;
  private readonly database: Database;

  constructor(private readonly parts: Pick<CenterParts, 'locks' | 'database' | 'clock' | 'logger'>) {
    this.locks = parts.locks;
    this.database = parts.database;
  }

  /** @throws TercetError TERCET_CONFIG_LOCKED: somebody has it, maybe the same person elsewhere; TERCET_NOT_READY */
  async take(environment: string, namespace: string, ttlMs: number, who: string): Promise<EditLockView> {
    await namespaceRow(this.database, environment, namespace);
    const wish = { name: lockName(environment, namespace), owner: randomUUID(), node: who + EDITING, ttlMs };
    const until = this.until(ttlMs);
    const got = await this.attempt(wish);
    if (typeof got !== 'number') throw locked(environment, namespace, got);
    try {
      const entry = { by: who, action: 'edit lock', environment, namespace };
      await this.database.write(auditStatement(entry));
    } catch (error) {
      await this.giveBack(wish);
      throw error;
    }
    return { id: wish.owner, token: got, until };
  }

  /** @throws TercetError TERCET_CONFIG_LOCK_LOST; TERCET_NOT_READY */
  async renew(
    environment: string,
    namespace: string,
    { id, token, ttlMs }: EditClaim & { ttlMs: number },
    who: string,
  ): Promise<EditLockView> {
    const name = lockName(environment, namespace);
    await this.grip(environment, namespace, { id, token });
    const until = this.until(ttlMs);
    const isHeld = await answered(this.locks.renew({ name, owner: id, node: who + EDITING, ttlMs }));
    if (!isHeld) throw lost(environment, namespace);
    return { id, token, until };
  }

  /** Also when it was not held any more. @throws TercetError TERCET_NOT_READY */
  async leave(environment: string, namespace: string, { id }: EditClaim): Promise<void> {
    await lastReleaseOf(this.database, environment);
    await answered(this.locks.release({ name: lockName(environment, namespace), owner: id }));
  }

  /** Null: nobody has it, or it cannot be asked: who only looks is not kept from that. */
  async editor(environment: string, namespace: string): Promise<EditorView | null> {
    try {
      const held = await this.locks.show(lockName(environment, namespace));
      return held && { name: editorOf(held), since: iso(held.since), until: iso(held.until) };
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.parts.logger.warn({ environment, namespace, error: error.detail }, 'who edits cannot be asked');
      return null;
    }
  }

  /** By which writes are guarded. @throws TercetError TERCET_CONFIG_LOCK_LOST: it is not held any more */
  async grip(environment: string, namespace: string, { id, token }: EditClaim): Promise<Grip> {
    const name = lockName(environment, namespace);
    const held = await answered(this.locks.show(name));
    if (held?.owner !== id || held.token !== token) throw lost(environment, namespace);
    return { name, token: token as FencingToken };
  }

  /**
   * Takes the locks, does the work and gives them back.
   *
   * @param own what happens where the same person has one already: `refused`, or `passed`, and then that one guards nothing
   * @throws TercetError TERCET_CONFIG_LOCKED: somebody has one; TERCET_NOT_READY
   */
  async during<T>(
    environment: string,
    namespaces: readonly string[],
    who: string,
    own: 'refused' | 'passed',
    work: (grips: Grip[]) => Promise<T>,
  ): Promise<T> {
    const taken: (Grip & { owner: string })[] = [];
    try {
      for (const namespace of namespaces) {
        const wish = {
          name: lockName(environment, namespace),
          owner: randomUUID(),
          node: who + EDITING,
          ttlMs: WRITE_MS,
        };
        const got = await this.attempt(wish);
        if (typeof got === 'number') taken.push({ name: wish.name, owner: wish.owner, token: got });
        else if (own === 'refused' || got?.node !== wish.node) throw locked(environment, namespace, got);
      }
      return await work(taken);
    } finally {
      for (const lock of taken) await this.giveBack(lock);
    }
  }

  /** The token; or else who has it, null if that cannot be said. */
  private async attempt(wish: Parameters<LockStore['acquire']>[0]): Promise<FencingToken | HeldLock | null> {
    for (const isLast of [false, true]) {
      const got = await answered(this.locks.acquire(wish));
      if ('token' in got) return got.token;
      const held = await answered(this.locks.show(wish.name));
      // It became free meanwhile.
      if (held || isLast) return held;
    }
    return null;
  }

  /** It ends by itself where this fails. */
  private async giveBack(lock: { readonly name: string; readonly owner: string }): Promise<void> {
    await this.locks.release(lock).catch((error: unknown) => {
      this.parts.logger.warn(
        { lock: lock.name, error: String(error) },
        'an edit lock was not given back; it ends by itself',
      );
    });
  }

  private until(ttlMs: number): string {
    return iso(this.parts.clock.now() + ttlMs);
  }
}

/** In the open transaction, before its first change: false, and nothing may be changed, where one was lost. */
export async function areHeld(client: pg.PoolClient, grips: readonly Grip[]): Promise<boolean> {
  try {
    for (const grip of grips) await guard(client, grip, LOCK_TABLE);
    return true;
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}

export function lost(environment: string, namespace: string): TercetError {
  const next = 'nothing was written; take the lock anew, and look what has changed';
  return new TercetError('TERCET_CONFIG_LOCK_LOST', `the edit lock of ${environment}/${namespace} was lost: ${next}`);
}

function locked(environment: string, namespace: string, held: HeldLock | null): TercetError {
  const whoever = held
    ? `${editorOf(held)} edits it until ${iso(held.until)}`
    : 'somebody is writing it at this moment';
  const next = 'wait, give the id and token of that lock, or have it taken away: tercet lock release --force';
  return new TercetError('TERCET_CONFIG_LOCKED', `${environment}/${namespace}: ${whoever}; ${next}`);
}

function lockName(environment: string, namespace: string): string {
  return `tercet.config.${environment}.${namespace}`;
}

function editorOf({ node }: HeldLock): string {
  return node.endsWith(EDITING) ? node.slice(0, -EDITING.length) : node;
}

const iso = (ms: number): string => new Date(ms).toISOString();
