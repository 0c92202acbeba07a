// The policy in force, what waits for approval, and what it would decide.
import { useState } from 'preact/hooks';
import { get, plain, post, type Difference, type Me, type Policy } from '../api';
import { changed } from '../events/tab';
import { Field, Form, Heading, Loading, Notice, Problem, Select, useLive, useLoad } from '../parts/basics';
import { Act } from '../parts/proof';
import { t } from '../strings';

function Differences({ all }: { all: Difference[] }) {
  return (
    <ul class="differences">
      {all.map((d) => <li key={d.text}>{d.text} {d.loosens && <span class="tag bad">{t.policy.loosens}</span>}</li>)}
    </ul>
  );
}

function Explain({ me }: { me: Me }) {
  const [user, setUser] = useState('');
  const [point, setPoint] = useState(me.access_points[0]?.name ?? 'vestibule');
  const [operation, setOperation] = useState('chat');
  const [model, setModel] = useState('');
  const [source, setSource] = useState('');
  const [text, setText] = useState('');
  const run = async () => {
    setText('');
    const given = Object.fromEntries(Object.entries({ user: user.trim(), model: model.trim(), source: source.trim() }).filter(([, v]) => v));
    setText((await post<{ text: string }>('/v1/policy/explain', { access_point: point, operation: operation.trim(), ...given })).text);
  };
  const code = { autoComplete: 'off', autoCapitalize: 'none' as const, spellcheck: false };
  return (
    <>
      <div class="card narrow">
        <Form run={run} submit={t.policy.ask}>
          <Select label={t.policy.point} value={point} change={setPoint} options={[...me.access_points.map((p) => p.name), 'vestibule'].map((n) => [n, n])} />
          <Field label={t.policy.operation} value={operation} change={setOperation} required {...code} />
          <Field label={t.policy.user} value={user} change={setUser} hint={t.policy.userHint} {...code} />
          <Field label={t.policy.model} value={model} change={setModel} {...code} />
          <Field label={t.policy.source} value={source} change={setSource} {...code} />
        </Form>
      </div>
      <div role="status">{text && <pre class="explained">{text}</pre>}</div>
    </>
  );
}

export function PolicyPage({ me, rules, refresh }: { me: Me; rules: boolean; refresh: () => Promise<void> }) {
  const { value: p, error, again } = useLoad(() => get<Policy>('/v1/policy'));
  useLive(() => changed(['policy'], again));
  const [approving, setApproving] = useState('');
  const [note, setNote] = useState('');
  const [fresh, setFresh] = useState<Difference[]>([]);
  const [failed, setFailed] = useState<unknown>(null);
  const reload = async () => {
    setFailed(null);
    setNote('');
    try {
      const read = await post<{ staged?: string; differences: Difference[] }>('/v1/policy/reload');
      setFresh(read.staged ? [] : read.differences);
      setNote(read.staged || read.differences.length > 0 ? '' : t.policy.same);
      await refresh();
    } catch (e) {
      setFailed(e);
    }
    again();
  };
  return (
    <>
      <Heading title={t.policy.title} intro={t.policy.intro}>
        {rules && <button type="button" onClick={() => void reload()}>{t.policy.reload}</button>}
      </Heading>
      <Notice text={note} />
      <Problem error={failed ?? error} />
      {!p && !error && <Loading />}
      {fresh.length > 0 && <div class="card narrow"><h2>{t.policy.changed}</h2><Differences all={fresh} /></div>}
      {p && (
        <dl class="card pairs">
          <div><dt>{t.policy.digest}</dt><dd><code>{p.digest.slice(0, 16)}</code> <span class="hint">{t.policy.rules(p.rules)}, {t.policy.trust[p.trust] ?? p.trust}</span></dd></div>
        </dl>
      )}
      {p?.staged && (
        <div class="card narrow alarm">
          <h2>{t.policy.staged}</h2>
          <p class="hint"><code>{p.staged.digest.slice(0, 16)}</code></p>
          <Differences all={p.staged.differences} />
          {rules && <div class="buttons"><button type="button" class="primary" onClick={() => setApproving(p.staged!.digest)}>{t.policy.approve}</button></div>}
        </div>
      )}
      <h2 class="minor">{t.policy.explain}</h2>
      <Explain me={me} />
      {p && <details><summary>{t.policy.whole}</summary><pre tabIndex={0}>{p.canonical}</pre></details>}
      {approving && (
        <Act title={t.policy.approveTitle} text={approving} submit={t.policy.approve} factors={me.factors} operation="policy.approve" object={approving}
          close={() => setApproving('')} run={async (by) => {
            await plain('/v1/policy/approve', { digest: approving, ...by });
            setApproving('');
            setNote(t.policy.approved);
            await refresh();
            again();
          }} />
      )}
    </>
  );
}
