// The emergency stop.
import { useState } from 'preact/hooks';
import { get, post, plain, type Me, type Stop } from '../api';
import { changed } from '../events/tab';
import { from } from '../format';
import { Field, Form, Heading, Loading, Notice, Problem, Select, useLive, useLoad } from '../parts/basics';
import { Act } from '../parts/proof';
import { t } from '../strings';

const label = (s: Stop) => {
  switch (s.scope) {
    case 'all': return t.stop.allLabel;
    case 'user': return t.stop.userLabel(s.target);
    case 'agent': return t.stop.agentLabel(s.target);
    case 'client': return t.stop.clientLabel(s.target);
    case 'tools': return t.stop.toolsLabel;
    case 'tool': {
      const slash = s.target.indexOf('/');
      return t.stop.toolLabel(s.target.slice(slash + 1), slash === 1 && s.target[0] === '*' ? '' : s.target.slice(0, slash));
    }
    default: return t.stop.pointLabel(s.target);
  }
};

export function StopPage({ me }: { me: Me }) {
  const { value, error, again } = useLoad(() => get<{ lift_people: number; stops: Stop[] }>('/v1/stops'));
  useLive(() => changed(['stops'], again));
  const [scope, setScope] = useState('all');
  const [target, setTarget] = useState('');
  const [place, setPlace] = useState('*');  // of a tool
  const [why, setWhy] = useState('');
  const [note, setNote] = useState('');
  const [lifting, setLifting] = useState<Stop | null>(null);
  const point = scope === 'access_point' ? target || (me.access_points[0]?.name ?? '') : scope === 'tool' ? `${place}/${target}` : target;
  const run = async () => {
    const done = await post<{ durable: boolean }>('/v1/stops', { scope, ...(scope === 'all' || scope === 'tools' ? {} : { target: point }), ...(why ? { why } : {}) });
    setNote(done.durable ? t.stop.stopped : `${t.stop.stopped} ${t.stop.notDurable}`);
    setWhy('');
    again();
  };
  return (
    <>
      <Heading title={t.stop.title} intro={t.stop.intro} />
      <Notice text={note} />
      <Problem error={error} />
      {!value && !error && <Loading />}
      {value && value.stops.length === 0 && <p class="calm"><span class="dot good" aria-hidden="true" />{t.stop.none}</p>}
      <ul class="cards">
        {value?.stops.map((s) => (
          <li class="card row alarm" key={`${s.scope} ${s.target}`}>
            <div>
              <h2>{label(s)}</h2>
              {s.why && <p>{s.why}</p>}
              <p class="hint">{t.stop.by(s.by, from(s.since))}</p>
              {s.agreed.length > 0 && <p>{t.stop.agreed(s.agreed.map((a) => a.by).join(', '), Math.max(value.lift_people - s.agreed.length, 1))}</p>}
            </div>
            <button type="button" onClick={() => setLifting(s)}>{t.stop.lift}<span class="unseen"> {label(s)}</span></button>
          </li>
        ))}
      </ul>
      <div class="card narrow">
        <Form run={run} submit={t.stop.submit} tone="danger">
          <Select label={t.stop.scope} value={scope} change={(v) => { setScope(v); setTarget(''); }} options={Object.entries(t.stop.scopes)} />
          {scope === 'access_point' && <Select label={t.stop.target.access_point!} value={point} change={setTarget} options={me.access_points.map((p) => [p.name, p.name])} />}
          {scope === 'user' && <Field label={t.stop.target.user!} value={target} change={setTarget} required autoComplete="off" autoCapitalize="none" spellcheck={false} />}
          {scope === 'agent' && <Field label={t.stop.target.agent!} value={target} change={setTarget} required autoComplete="off" autoCapitalize="none" spellcheck={false} />}
          {scope === 'client' && <Field label={t.stop.target.client!} value={target} change={setTarget} hint={t.stop.clientHint} required autoComplete="off" autoCapitalize="none" spellcheck={false} />}
          {scope === 'tool' && <Field label={t.stop.target.tool!} value={target} change={setTarget} required autoComplete="off" autoCapitalize="none" spellcheck={false} />}
          {scope === 'tool' && <Select label={t.stop.place} value={place} change={setPlace} options={[['*', t.stop.everywhere], ...me.access_points.map((p): [string, string] => [p.name, p.name])]} />}
          <Field label={t.stop.why} value={why} change={setWhy} hint={t.stop.whyHint} maxLength={200} autoComplete="off" />
        </Form>
      </div>
      {lifting && (
        <Act title={t.stop.liftTitle} text={`${label(lifting)}. ${t.stop.liftText}${(value?.lift_people ?? 1) > 1 ? ` ${t.stop.liftMany(value!.lift_people)}` : ''}`} submit={t.stop.lift} factors={me.factors} operation="stops.lift"
          object={lifting.target ? `${lifting.scope} ${lifting.target}` : lifting.scope} close={() => setLifting(null)}
          run={async (by) => {
            const { needed } = await plain<{ needed: number }>('/v1/stops/lift', { scope: lifting.scope, ...(lifting.target ? { target: lifting.target } : {}), ...by });
            setLifting(null);
            setNote(needed > 0 ? t.stop.yourWord(needed) : t.stop.lifted);
            again();
          }} />
      )}
    </>
  );
}
