// The audit log as it grows: who asked what, and what the gateway said.
import { useEffect, useRef, useState } from 'preact/hooks';
import { lines, type Entry } from '../api';
import { clock, duration } from '../format';
import { Field, Heading, Loading, Problem, Select } from '../parts/basics';
import { t } from '../strings';

const kSeen = 100;
const kEvery = 4000;  // ms
const kAlone = 10 * 60_000;  // ms without a hand on the page: looking on must not keep a session alive

export function Decisions() {
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [paused, setPaused] = useState(false);
  const [user, setUser] = useState('');
  const [which, setWhich] = useState('all');
  const newest = useRef(-1);

  useEffect(() => {
    let here = true;
    let timer: ReturnType<typeof setTimeout>;
    newest.current = -1;
    setEntries(null);
    let touched = Date.now();
    const touch = () => { touched = Date.now(); };
    const hands = ['pointerdown', 'pointermove', 'keydown', 'wheel'] as const;
    hands.forEach((hand) => addEventListener(hand, touch, { passive: true }));
    const look = async () => {
      if (Date.now() - touched > kAlone) {
        setPaused(true);
        return;
      }
      if (!document.hidden) {
        const query = new URLSearchParams({ limit: String(kSeen), order: 'newest' });
        if (user) query.set('user', user);
        if (newest.current >= 0) query.set('from_seq', String(newest.current + 1));
        try {
          const fresh = await lines<Entry>(`/v1/audit?${query}`);
          if (!here) return;
          if (fresh.length > 0) newest.current = fresh[0]!.seq;
          // What has ended was decided before: only decisions are shown.
          // Nor is it news that one looks at them.
          const decided = fresh.filter((e) => e.kind !== 'completion' && !(e.operation === 'audit.read' && e.outcome === 'allow'));
          setEntries((old) => [...decided, ...(old ?? [])].slice(0, kSeen));
          setError(null);
        } catch (e) {
          if (here) setError(e);
        }
      }
      if (here) timer = setTimeout(look, kEvery);
    };
    if (!paused) void look();
    return () => {
      here = false;
      clearTimeout(timer);
      hands.forEach((hand) => removeEventListener(hand, touch));
    };
  }, [paused, user]);

  const shown = entries?.filter((e) => which === 'all' || e.outcome !== 'allow');
  const [when, who, what, decision, proof] = t.decisions.columns as [string, string, string, string, string];
  return (
    <>
      <Heading title={t.decisions.title} intro={t.decisions.intro}>
        <span class={`tag ${paused ? '' : 'good live'}`} role="status">{paused ? t.decisions.paused : t.decisions.live}</span>
        <button type="button" class="small" onClick={() => setPaused(!paused)}>{paused ? t.decisions.resume : t.decisions.pause}</button>
      </Heading>
      <div class="filters">
        <Field label={t.decisions.user} value={user} change={setUser} autoComplete="off" autoCapitalize="none" spellcheck={false} />
        <Select label={decision} value={which} change={setWhich} options={[['all', t.decisions.all], ['refused', t.decisions.refused]]} />
      </div>
      <Problem error={error} />
      {!entries && !error && <Loading />}
      {shown && shown.length === 0 && <p class="hint">{t.decisions.empty}</p>}
      {shown && shown.length > 0 && (
        <div class="table" role="region" aria-label={t.decisions.title} tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{when}</th><th scope="col">{who}</th><th scope="col">{what}</th><th scope="col">{decision}</th><th scope="col">{proof}</th></tr></thead>
            <tbody>
              {shown.map((e) => (
                <tr key={e.seq}>
                  <td><time dateTime={e.at}>{clock(e.at)}</time></td>
                  <td>{e.user_name || '–'}</td>
                  <td>{e.access_point && <span class="hint">{e.access_point} </span>}{e.operation}{e.model && <span class="hint"> {e.model}</span>}</td>
                  <td><span class={`tag ${e.outcome === 'allow' ? 'good' : 'bad'}`}>{e.reason === 'ok' ? e.outcome : e.reason}</span></td>
                  <td class="hint">{(e.evidence ?? []).map((p) => t.decisions.factor(p.factor, duration(p.age_s))).join('; ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
