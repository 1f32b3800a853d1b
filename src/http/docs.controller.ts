import { Controller, Get, Headers, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { TercetError } from '../protocol/errors.js';
import { docsFile } from './docs-files.js';

/** Nothing of another host, nothing inline, in nobody's frame; `data:` are the icons in Swagger UI's own style sheet. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

@Controller('docs')
export class DocsController {
  @Get()
  page(@Headers('if-none-match') seen: string | undefined, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.file('', seen, reply);
  }

  @Get(':file')
  async file(
    @Param('file') name: string,
    @Headers('if-none-match') seen: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer | undefined> {
    const file = await docsFile(name);
    if (!file) {
      throw new TercetError('TERCET_ROUTE_UNKNOWN', `/docs has no file '${name.slice(0, 200)}'; the page is at /docs`);
    }
    void reply.headers({
      'content-type': file.type,
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      // Asked for each time, and mostly answered with 304: no page is made of two versions.
      'cache-control': 'no-cache',
      etag: file.etag,
    });
    if (seen !== file.etag) return file.bytes;
    void reply.status(304);
    return undefined;
  }
}
