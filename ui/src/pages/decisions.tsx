// The audit log as it grows: who asked what, and what the gateway said.
import { useEffect, useState } from 'preact/hooks';
import { lapses, session, type Entry } from '../api';
import { follow } from '../events/tab';
import { clock, duration } from '../format';
import { Field, Heading, Loading, Select } from '../parts/basics';
import { t } from '../strings';

const kSeen = 200;

export function Decisions() {
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [paused, setPaused] = useState(false);
  const [up, setUp] = useState(true);
  const [gap, setGap] = useState(false);
  const [ended, setEnded] = useState('');
  const [user, setUser] = useState('');
  const [which, setWhich] = useState('all');

  useEffect(() => {
    if (paused) return undefined;
    return follow((told) => {
      if (told.tell === 'line') setUp(told.up);
      if (told.tell === 'gap') setGap(true);
      if (told.tell === 'ended' && told.decisions) {
        // Only a fresh proof shows more; without one the page stands still.
        setPaused(true);
        if (lapses.includes(told.reason)) void session.stepUp(told.reason).then((proved) => { if (proved) setPaused(false); });
        else setEnded(told.reason);
      }
      if (told.tell !== 'decisions') return;
      // What has ended was decided before: only decisions are shown. Nor is it news that one looks at them.
      const decided = (told.list as Entry[]).filter((e) => e.kind !== 'completion' && !(/^(audit|events)\.read$/.test(e.operation) && e.outcome === 'allow'));
      setEntries((old) => [...decided.reverse(), ...(told.anew ? [] : (old ?? []))].slice(0, kSeen));
    });
  }, [paused]);

  const shown = entries?.filter((e) => (which === 'all' || e.outcome !== 'allow') && (!user.trim() || e.user_name === user.trim()));
  const [when, who, what, decision, proof] = t.decisions.columns as [string, string, string, string, string];
  return (
    <>
      <Heading title={t.decisions.title} intro={t.decisions.intro}>
        <span class={`tag ${paused || !up ? '' : 'good live'}`} role="status">{paused ? t.decisions.paused : up ? t.decisions.live : t.decisions.down}</span>
        <button type="button" class="small" onClick={() => setPaused(!paused)}>{paused ? t.decisions.resume : t.decisions.pause}</button>
      </Heading>
      <div class="filters">
        <Field label={t.decisions.user} value={user} change={setUser} autoComplete="off" autoCapitalize="none" spellcheck={false} />
        <Select label={decision} value={which} change={setWhich} options={[['all', t.decisions.all], ['refused', t.decisions.refused]]} />
      </div>
      {ended && <p class="problem">{t.reasons[ended] ?? ended}</p>}
      {gap && <p class="notice">{t.decisions.gap} <a href="#/log">{t.nav.log}</a></p>}
      {!entries && !paused && <Loading />}
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
