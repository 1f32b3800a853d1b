/** The transport of Nest: standard decorators, one transaction with the inbox, and no message that blocks for ever. */
import { Controller, Module, UsePipes } from '@nestjs/common';
import type { INestApplication, PipeTransform, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Observable } from 'rxjs';
import { DataSource } from 'typeorm';
import { Refused } from '../../src/client/index.js';
import { DEAD_LETTER, TercetInbox1763769600000 } from '../../src/client/kafka/index.js';
import { MessageContext, MessageHandler, TercetKafka } from '../../src/client/nest/kafka/index.js';
import { kafkaBrokers, readTopic, withKafka } from '../support/kafka.js';
import { createDatabase } from '../support/postgres.js';
import { caughtUp, ConsumingService, groupIdOf } from './consuming.js';

withKafka()('the transport for Nest', () => {
  let service: ConsumingService;
  let source: DataSource;
  let topic: string;
  let groupId: string;
  const apps: INestApplication[] = [];

  beforeAll(async () => {
    service = await ConsumingService.start(await kafkaBrokers());
    source = await new DataSource({ type: 'postgres', url: service.database.url }).initialize();
  });
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await source.destroy();
    await service.close();
  });
  beforeEach(async () => {
    await service.clear();
    topic = await service.topic();
    groupId = groupIdOf();
  });

  async function start(controller: Type, attempts = 3): Promise<TercetKafka> {
    class App {}
    Module({ controllers: [controller] })(App);
    const app = await NestFactory.create(App, new FastifyAdapter(), { logger: false, abortOnError: false });
    const retry = { attempts, baseMs: 20, capMs: 50 };
    const strategy = new TercetKafka({ kafka: service.kafka, groupId, dataSource: source, retry });
    app.connectMicroservice({ strategy });
    apps.push(app);
    await app.startAllMicroservices();
    return strategy;
  }

  const insert = ({ manager, key }: MessageContext, payload: unknown): Promise<unknown> =>
    manager.query('INSERT INTO effect (key, payload) VALUES ($1, $2)', [key, JSON.stringify(payload)]);
  const payloads = async (): Promise<unknown[]> => (await service.effects()).map(({ payload }) => payload);
  const errors = async (): Promise<unknown[]> =>
    (await readTopic(service.brokers, `${topic}.${groupId}.dlq`, 1)).map(({ headers }) => headers[DEAD_LETTER.error]);

  test('gives a handler the payload and the open transaction; what it wrote stays once, or not at all', async () => {
    let attempts = 0;
    @Controller()
    class Points {
      @MessageHandler(topic)
      async add(@Payload('points') points: number, @Ctx() context: MessageContext): Promise<void> {
        await insert(context, [points, context.message.id, context.headers['own']]);
        if (++attempts === 1) throw new Error('not today');
      }
    }
    const headers = { ce_id: 'a', own: 'o' };
    await service.send(topic, { value: '{"points":3}', headers }, { value: '{"points":3}', headers });
    const { consumption } = await start(Points);
    await caughtUp(consumption);
    expect([attempts, await payloads()]).toEqual([2, [[3, 'a', 'o']]]);
  });

  test('does not let a poison message block its partition', async () => {
    @Controller()
    class Points {
      @MessageHandler(topic)
      async add(@Payload() points: number, @Ctx() context: MessageContext): Promise<void> {
        if (points === 1) throw new TypeError('never');
        await insert(context, points);
      }
    }
    await service.send(topic, { value: '1' }, { value: 'no JSON' }, { value: '3' });
    await caughtUp((await start(Points)).consumption);
    expect(await payloads()).toEqual([3]);
    expect(await errors()).toEqual(['TypeError: never', expect.stringContaining('the payload cannot be read')]);
  });

  test('takes a refusal for what it is, with the decorators of Nest too, and from a pipe', async () => {
    class Positive implements PipeTransform {
      transform(value: unknown): unknown {
        if (typeof value === 'number' && value < 0) throw new Refused('below 0');
        return value;
      }
    }
    let attempts = 0;
    @Controller()
    class Points {
      @MessageHandler(topic)
      @UsePipes(new Positive())
      add(@Payload() points: number): void {
        attempts += 1;
        if (points === 1) throw new Refused('unknown customer');
      }
    }
    await service.send(topic, { value: '1' }, { value: '-1' });
    await caughtUp((await start(Points)).consumption);
    expect(await errors()).toEqual(['Refused: refused: unknown customer', 'Refused: refused: below 0']);
    const first = topic;
    topic = await service.topic();
    groupId = groupIdOf();
    @Controller()
    class Plain {
      @EventPattern<string>(topic)
      add(@Payload() points: number): void {
        attempts += 1;
        if (points === 1) throw new RpcException(new Refused('unknown customer'));
        throw new Error('a secret');
      }
    }
    await service.send(topic, { value: '1' }, { value: '2' });
    await caughtUp((await start(Plain, 2)).consumption);
    expect(await errors()).toEqual(['Refused: refused: unknown customer', 'Error: Internal server error']);
    expect([attempts, first === topic]).toEqual([4, false]);
  });

  test('waits for what a handler returns, a promise or an Observable, before it commits', async () => {
    @Controller()
    class Points {
      @EventPattern<string>(topic)
      add(@Payload() points: number, @Ctx() context: MessageContext): Observable<unknown> {
        return new Observable((subscriber) => {
          insert(context, points).then(
            () => subscriber.complete(),
            (error: unknown) => subscriber.error(error),
          );
        });
      }
    }
    await service.send(topic, { value: '7' });
    await caughtUp((await start(Points)).consumption);
    expect(await payloads()).toEqual([7]);
  });

  test('lets the handler under way end when the application closes', async () => {
    let begun = (): void => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    let goOn = (): void => undefined;
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    @Controller()
    class Points {
      @MessageHandler(topic)
      async add(@Payload() points: number, @Ctx() context: MessageContext): Promise<void> {
        begun();
        await mayGoOn;
        await insert(context, points);
      }
    }
    await service.send(topic, { value: '1' }, { value: '2' });
    const { consumption } = await start(Points);
    await hasBegun;
    const closed = apps.at(-1)!.close();
    goOn();
    await closed;
    expect(await payloads()).toEqual([1]);
    expect(consumption.status().state).toBe('stopped');
  });

  test('refuses at the start what cannot be', async () => {
    @Controller()
    class Asked {
      @MessagePattern('asked')
      answer(): number {
        return 1;
      }
    }
    @Controller()
    class Twice {
      @EventPattern<string>('twice')
      one(): void {}
      @EventPattern<string>('twice')
      other(): void {}
    }
    @Controller()
    class Any {
      @EventPattern({ cmd: 'x' })
      any(): void {}
    }
    await expect(start(Asked)).rejects.toThrow('nobody waits for an answer');
    await expect(start(Twice)).rejects.toThrow('has two handlers');
    await expect(start(Any)).rejects.toThrow('names its topic as a string');
    await expect(start(class Nothing {})).rejects.toThrow('topics: give at least one');
    const strategy = new TercetKafka({ kafka: service.kafka, groupId, dataSource: source });
    expect(() => strategy.consumption).toThrow('the microservice was not started');
  });

  test('its tables can come from a migration, and go again', async () => {
    const { url, drop } = await createDatabase();
    const own = new DataSource({ type: 'postgres', url, migrations: [TercetInbox1763769600000] });
    try {
      await own.initialize();
      await own.runMigrations();
      await own.query('SELECT FROM tercet_inbox, tercet_inbox_failed');
      await own.undoLastMigration();
      await expect(own.query('SELECT FROM tercet_inbox')).rejects.toThrow('does not exist');
    } finally {
      await own.destroy();
      await drop();
    }
  });
});
