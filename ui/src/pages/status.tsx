// How the gateway is.
import { get, type Status } from '../api';
import { duration } from '../format';
import { Heading, Loading, Problem, useLoad } from '../parts/basics';
import { t } from '../strings';

export function StatusPage() {
  const { value: s, error } = useLoad(() => get<Status>('/v1/status'));
  if (!s) return <><Heading title={t.status.title} /><Problem error={error} />{!error && <Loading />}</>;
  const good = s.store === 'ok' && s.audit.health === 'ok' && s.clock_trusted;
  const facts: [string, string | number][] = [
    [t.status.live, s.live], [t.status.sessions, s.sessions], [t.status.records, s.audit.records], [t.status.stops, s.stops], [t.status.tools, s.tools_asleep],
    [t.status.uptime, duration(s.uptime_s)], [t.status.version, s.version],
  ];
  return (
    <>
      <Heading title={t.status.title} />
      <p class="calm"><span class={`dot ${good ? 'good' : 'bad'}`} aria-hidden="true" />{good ? t.status.ok : t.status.failing}</p>
      <dl class="numbers">{facts.map(([name, value]) => <div class="card" key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <dl class="card pairs">
        <div><dt>{t.status.store}</dt><dd>{s.store}</dd></div>
        <div><dt>{t.status.audit}</dt><dd>{s.audit.health}</dd></div>
        <div><dt>{t.status.clock}</dt><dd>{s.clock_trusted ? t.status.clockGood : t.status.clockBad}</dd></div>
        <div><dt>{t.status.policy}</dt><dd><code>{s.policy.digest.slice(0, 16)}</code>{s.policy.staged && <p class="warn">{t.status.staged} {s.policy.staged.slice(0, 16)}</p>}</dd></div>
      </dl>
      <h2>{t.status.points}</h2>
      <ul class="cards">
        {s.access_points.map((p) => (
          <li class="card row" key={p.name}>
            <div>
              <h3>{p.name} <span class="hint">{p.kind}</span></h3>
              <p class="facts">
                <span>{p.sensitivity}</span>
                {p.child && <span>{t.status.child}: {p.child}</span>}
                <span>{p.closed ? t.status.closedHint : t.status.bypassHint}</span>
              </p>
            </div>
            <span class={`tag ${p.closed ? 'good' : 'bad'}`}>{p.closed ? t.status.closed : t.status.bypassable}</span>
          </li>
        ))}
      </ul>
      {s.audit.checkpoint && <details><summary>{t.status.checkpoint}</summary><pre tabIndex={0}>{s.audit.checkpoint}</pre></details>}
    </>
  );
}
