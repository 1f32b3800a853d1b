/** `@MessageHandler('topic')`: Nest's `@EventPattern`, and errors arrive as they were thrown. */
import { applyDecorators, Catch, UseFilters } from '@nestjs/common';
import type { RpcExceptionFilter } from '@nestjs/common';
import { EventPattern, Transport } from '@nestjs/microservices';
import { throwError } from 'rxjs';
import type { Observable } from 'rxjs';

/** Nest otherwise makes 'Internal server error' of every error, and `Refused` is no longer one. */
@Catch()
class AsThrown implements RpcExceptionFilter {
  catch(exception: unknown): Observable<never> {
    return throwError(() => exception);
  }
}

/**
 * A method that handles the messages of a topic. It gets `@Payload()` and `@Ctx() context: MessageContext`. What it throws
 * rolls back and is tried again; `Refused` gives the message up at once.
 */
export function MessageHandler(topic: string): MethodDecorator {
  return applyDecorators(EventPattern<string>(topic, Transport.KAFKA), UseFilters(new AsThrown()));
}
