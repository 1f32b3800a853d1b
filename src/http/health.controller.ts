import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Readiness } from './readiness.js';

@Controller('health')
export class HealthController {
  constructor(@Inject(Readiness) private readonly readiness: Readiness) {}

  @Get('live')
  live(): { live: true } {
    return { live: true };
  }

  @Get('ready')
  ready(@Res({ passthrough: true }) reply: FastifyReply): { ready: boolean; problems: string[]; warnings: string[] } {
    const problems = this.readiness.problems();
    if (problems.length > 0) void reply.status(503).header('retry-after', '1');
    return { ready: problems.length === 0, problems, warnings: this.readiness.warnings() };
  }
}
