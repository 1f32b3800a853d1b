import { Controller, Get, Inject, Query } from '@nestjs/common';
import { nothing } from '../protocol/schema.js';
import type { DiagnosisView } from '../protocol/words.js';
import { validated } from '../protocol/body.js';
import { Diagnosis } from './diagnosis.js';

@Controller('v1/diagnosis')
export class DiagnosisController {
  constructor(@Inject(Diagnosis) private readonly diagnosis: Diagnosis) {}

  @Get()
  make(@Query() query: unknown): Promise<DiagnosisView> {
    validated(nothing, query);
    return this.diagnosis.make();
  }
}
