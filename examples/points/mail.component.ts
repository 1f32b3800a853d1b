/** The customer is told. */
import { Deliver, MessageComponent } from '@tercet/client/nest';
import type { DeliverCall } from '@tercet/client/nest';

@MessageComponent('mail')
export class MailComponent {
  @Deliver()
  async send({ gid, payload, manager }: DeliverCall<{ customer: string; text: string }>) {
    const { customer, text } = payload;
    await manager.query('INSERT INTO mail (id, customer, text) VALUES ($1, $2, $3)', [gid, customer, text]);
  }
}
