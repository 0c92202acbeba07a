// What most tests start with: a gateway with a scripted upstream behind it, which end with the test.
import { Gateway } from './gateway.mjs';
import { Upstream } from './upstream.mjs';

/// `options` as Gateway.start() takes them; without points of their own there is `main`, with what `point` says of it.
export async function house(t, { point, ...options } = {}) {
  const up = await Upstream.start();
  t.after(() => up.close());
  const gateway = await Gateway.start({ points: { main: { upstreams: [up.url], description: 'Test', ...point } }, ...options });
  t.after(() => gateway.stop());
  return { up, gateway };
}
