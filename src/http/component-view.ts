/** Components and their instances as the wire shows them: what is stored, and what this node has seen of its calls. */
import type { HttpParticipants } from '../participants/http.js';
import type { ComponentView, InstanceView } from '../protocol/words.js';
import type { Steered } from '../steering/steered.js';
import type { StoredComponent } from '../storage/components.js';
import type { StoredInstance } from '../storage/instances.js';

export function componentView(
  stored: StoredComponent,
  instances: readonly StoredInstance[] | undefined,
  participants: HttpParticipants,
  steering: Steered,
): ComponentView {
  return {
    ...stored,
    effective: steering.effective(stored),
    instances: (instances ?? []).map((instance) => instanceView(stored.name, instance, participants)),
    calls: participants.observed(stored.name, null),
  };
}

export function instanceView(component: string, stored: StoredInstance, participants: HttpParticipants): InstanceView {
  return { ...stored, ...participants.observed(component, stored.instance) };
}
