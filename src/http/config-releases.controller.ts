/** Releases and their rollouts; docs/wire.md section 10. */
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ConfigCenter } from '../config-center/center.js';
import { afterwards } from '../config-center/refusals.js';
import type { DiffSide, Released } from '../config-center/releases.js';
import { validated } from '../protocol/body.js';
import type { ConfigDiffView, ReleaseSummary, ReleaseView, RolloutView } from '../protocol/config.js';
import {
  comparison,
  preview,
  release,
  releaseNumber,
  releasePage,
  rollback,
  rolloutEnd,
  widen,
} from '../protocol/config-schema.js';
import { TercetError } from '../protocol/errors.js';
import { nothing } from '../protocol/schema.js';
import { WhoCalls } from './caller.js';
import type { Caller } from './caller.js';
import { inPath } from './config.controller.js';
import { RolloutWatch } from './rollout-watch.js';

@Controller('v1/config/:environment')
export class ConfigReleasesController {
  constructor(
    @Inject(ConfigCenter) private readonly center: ConfigCenter,
    @Inject(RolloutWatch) private readonly watch: RolloutWatch,
  ) {}

  @Post('releases')
  async release(
    @Param('environment') environment: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() { name: who }: Caller,
  ): Promise<ReleaseView> {
    validated(nothing, query);
    const asked = validated(release, body);
    const released = await this.center.release(inPath(environment), asked, who);
    return this.answer(environment, released, asked.dryRun, reply);
  }

  @Get('releases')
  releases(
    @Param('environment') environment: string,
    @Query() query: unknown,
  ): Promise<{ releases: ReleaseSummary[]; next: number | null }> {
    const { limit, before = null } = validated(releasePage, query);
    return this.center.releases(inPath(environment), { limit, before });
  }

  @Get('releases/:release')
  one(
    @Param('environment') environment: string,
    @Param('release') number: string,
    @Query() query: unknown,
  ): Promise<ReleaseView> {
    validated(nothing, query);
    return this.center.releaseOf(inPath(environment), numberInPath(environment, number));
  }

  @Post('releases/:release/rollback')
  async rollback(
    @Param('environment') environment: string,
    @Param('release') number: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @WhoCalls() { name: who }: Caller,
  ): Promise<ReleaseView> {
    validated(nothing, query);
    const asked = validated(rollback, body);
    const to = numberInPath(inPath(environment), number);
    const released = await this.center.rollback(environment, to, asked, who);
    return this.answer(environment, released, asked.dryRun, reply);
  }

  @Get('diff')
  diff(@Param('environment') environment: string, @Query() query: unknown): Promise<ConfigDiffView> {
    const { from, to, namespace } = validated(comparison, query);
    return this.center.diff(inPath(environment), sideOf(from), sideOf(to), namespace);
  }

  @Get('rollout')
  rollout(@Param('environment') environment: string, @Query() query: unknown): Promise<RolloutView> {
    validated(nothing, query);
    return this.center.rollout(inPath(environment));
  }

  @Get('rollout/preview')
  preview(
    @Param('environment') environment: string,
    @Query() query: unknown,
  ): Promise<{ matches: string[]; of: number }> {
    const selector = validated(preview, query);
    return this.center.preview(inPath(environment), selector);
  }

  @Post('rollout/promote')
  @HttpCode(200)
  promote(
    @Param('environment') environment: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<RolloutView> {
    validated(nothing, query);
    return this.center.promote(inPath(environment), validated(rolloutEnd, body).reason, who);
  }

  @Post('rollout/abort')
  @HttpCode(200)
  abort(
    @Param('environment') environment: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<RolloutView> {
    validated(nothing, query);
    return this.center.abort(inPath(environment), validated(rolloutEnd, body).reason, who);
  }

  @Post('rollout/widen')
  @HttpCode(200)
  widen(
    @Param('environment') environment: string,
    @Body() body: unknown,
    @Query() query: unknown,
    @WhoCalls() { name: who }: Caller,
  ): Promise<RolloutView> {
    validated(nothing, query);
    return this.center.widen(inPath(environment), validated(widen, body), who);
  }

  /** Whoever switches strictly wants to know whether it was done. */
  private async answer(
    environment: string,
    { view, rollout }: Released,
    isDryRun: boolean,
    reply: FastifyReply,
  ): Promise<ReleaseView> {
    void reply.status(isDryRun ? 200 : 201);
    if (isDryRun) return view;
    void reply.header('location', `/v1/config/${environment}/releases/${view.release}`);
    if (view.mode !== 'strict' || rollout === null) return view;
    const left = new Promise<void>((resolve) => void reply.raw.once('close', resolve));
    const ended = this.watch.end(environment, view.release, left);
    return afterwards(ended.then(() => this.center.releaseOf(environment, view.release)));
  }
}

function numberInPath(environment: string, text: string): number {
  const number = releaseNumber.safeParse(text);
  if (number.success) return number.data;
  throw new TercetError('TERCET_CONFIG_UNKNOWN', `there is no release '${text.slice(0, 200)}' in '${environment}'`);
}

function sideOf(text: string): DiffSide {
  return text === 'draft' || text === 'current' ? text : Number(text);
}
