// Calls that wait for their owner: a page of its own. It shows the whole of what is asked, since the
// authenticator shows nothing, and approves nothing by a click.
import { useEffect, useRef, useState } from 'preact/hooks';
import { look, plain, post, type Approval, type Me } from '../api';
import { changed } from '../events/tab';
import { at, duration, ends, from } from '../format';
import { Alone, Field, Form, Loading, Problem, useLive, useLoad } from '../parts/basics';
import { Ask, Ways } from '../parts/proof';
import { t } from '../strings';

export const isApprovePage = () => location.pathname === '/approve';
export const approveAt = (code: string) => `/approve#${code}`;
const fromAddress = () => location.hash.replace(/^#\/?/, '').slice(0, 32);
const local = (source: string) => (['local', 'unix'].includes(source) ? t.inbox.here : source);

/// How many calls of one's own wait; as it changes.
export function useApprovals() {
  const { value, error, again } = useLoad(() => look<{ approvals: Approval[] }>('/v1/approvals'));
  useLive(() => changed(['approvals'], again));
  return { waiting: value?.approvals ?? null, error, again };
}

function Rows({ of }: { of: Approval }) {
  const rows: [string, string][] = [
    [t.approve.access, of.access_point], [t.approve.operation, of.operation], [t.approve.by, of.credential], [t.approve.from, local(of.source)],
    [t.approve.client, of.client], [t.approve.since, `${at(of.created)}, ${from(of.created)}`], [t.approve.ends, ends(of.expires)],
    [t.approve.lasts, t.approve.lastsText(of.lasts_s === null ? '' : duration(of.lasts_s))],
  ];
  return <dl class="pairs bare wide">{rows.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Whole({ me, of, done, back }: { me: Me; of: Approval; done: (text: string) => void; back: () => void }) {
  const [disowning, setDisowning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [, tick] = useState(0);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const say = async (verb: 'decline' | 'not-me', text: string) => {
    setError(null);
    try {
      await post(`/v1/approvals/${of.id}/${verb}`);
      done(text);
    } catch (e) {
      setError(e);
    }
  };
  return (
    <section class="card prompt-card">
      <h2 ref={heading} tabIndex={-1}>{t.approve.question(of.operation, of.access_point)}</h2>
      <Rows of={of} />
      {!of.known_source && <p class="problem">{t.approve.unknown(local(of.source))}</p>}
      <Problem error={error} />
      <Ways factors={me.factors} order={of.offer} operation="approvals.approve" object={of.object} submit={t.approve.approve} label={t.act.code}
        run={async (by) => {
          await plain(`/v1/approvals/${of.id}/approve`, by);
          done(t.approve.approved);
        }} />
      <div class="buttons refuse">
        <button type="button" onClick={() => void say('decline', t.approve.declined)}>{t.approve.decline}</button>
        <button type="button" class="danger" onClick={() => setDisowning(true)}>{t.approve.notMe}</button>
        <button type="button" class="quiet" onClick={back}>{t.back}</button>
      </div>
      {disowning && (
        <Ask title={t.approve.notMeTitle} text={t.approve.notMeText(of.credential, local(of.source))} submit={t.approve.notMe} tone="danger"
          close={() => setDisowning(false)} run={async () => {
            await post(`/v1/approvals/${of.id}/not-me`);
            done(t.approve.disowned);
          }} />
      )}
    </section>
  );
}

/// The list, as links to the page: wherever else it is shown, too.
export function Waiting({ list }: { list: Approval[] }) {
  return (
    <ul class="cards" aria-live="polite">
      {list.map((of) => (
        <li class="card" key={of.id}>
          <h2><a href={approveAt(of.code)}>{t.approve.question(of.operation, of.access_point)}</a></h2>
          <p class="facts"><span>{of.credential}</span><span>{t.approve.fromShort(local(of.source))}</span><span>{from(of.created)}</span><span>{of.code}</span></p>
        </li>
      ))}
    </ul>
  );
}

export function ApprovePage({ me }: { me: Me }) {
  const { waiting, error, again } = useApprovals();
  const [code, setCode] = useState(fromAddress());
  const [shown, setShown] = useState<Approval | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [said, setSaid] = useState('');
  const find = async (typed: string) => {
    setSaid('');
    setFailed(null);
    setShown(await post<Approval>('/v1/approvals/find', { code: typed }));
  };
  useEffect(() => {
    const moved = () => {
      const given = fromAddress();
      setCode(given);
      setShown(null);
      if (given) void find(given).catch(setFailed);
    };
    moved();
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  const leave = (text = '') => {
    setSaid(text);
    setShown(null);
    setCode('');
    history.replaceState(null, '', '/approve');
    again();
  };
  return (
    <Alone title={t.approve.title} intro={t.approve.intro(me.display || me.name)} said={said}>
      {() => (shown ? <Whole key={shown.id} me={me} of={shown} done={leave} back={() => leave()} /> : (
        <>
          <Problem error={failed ?? error} />
          {!waiting && !error && <Loading />}
          {waiting?.length === 0 && <div class="card empty"><p class="calm"><span class="dot good" aria-hidden="true" />{t.approve.none}</p><p class="hint">{t.inbox.waiting}</p></div>}
          {waiting && <Waiting list={waiting} />}
          <div class="card narrow">
            <Form run={() => find(code)} submit={t.approve.find}>
              <Field label={t.approve.code} value={code} change={setCode} hint={t.approve.codeHint} required autoComplete="off" autoCapitalize="characters" spellcheck={false} maxLength={16} />
            </Form>
          </div>
        </>
      ))}
    </Alone>
  );
}

/// In the inbox, which needs no session: what waits, for whoever has one here.
export function WaitingCalls() {
  const { waiting } = useApprovals();
  if (!waiting || waiting.length === 0) return null;
  return (
    <section>
      <h2 class="minor">{t.approve.title}</h2>
      <Waiting list={waiting} />
    </section>
  );
}
