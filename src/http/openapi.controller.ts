import { Controller, Get } from '@nestjs/common';
import { openApi } from './openapi.js';

@Controller()
export class OpenApiController {
  private readonly document = openApi();

  @Get('openapi.json')
  get(): object {
    return this.document;
  }
}
