/** Messages of this application, with the database of the component that they come from. */
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { TercetClient } from '../client.js';
import { Messages as PlainMessages } from '../messages.js';
import { Components } from './components.js';
import { Databases } from './databases.js';

@Injectable()
export class Messages extends PlainMessages<EntityManager> {
  constructor(
    @Inject(TercetClient) client: TercetClient,
    @Inject(Components) components: Components,
    @Inject(Databases) databases: Databases,
  ) {
    // Asked for when they are needed: components are found when all providers are there.
    super(client, {
      get component(): string {
        return components.sender.name;
      },
      get dataSource(): DataSource {
        return databases.of(components.sender);
      },
    });
  }
}
