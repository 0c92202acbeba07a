// Tool calls that wait for a person: a page of its own. Each is shown whole, out of the very text that is signed,
// and hashed here: the page asks the authenticator for what it shows, and for nothing else.
import { useEffect, useRef, useState } from 'preact/hooks';
import { look, plain, post, type Confirmation, type Me } from '../api';
import { sha256 } from '../digest';
import { changed } from '../events/tab';
import { at, duration, ends, from } from '../format';
import { Alone, Field, Loading, Problem, useLive, useLoad } from '../parts/basics';
import { Plain, Value } from '../parts/plain';
import { Ask, Ways } from '../parts/proof';
import { t } from '../strings';

export const isConfirmPage = () => location.pathname === '/confirm';
const addressed = () => location.hash.replace(/^#\/?/, '').slice(0, 40);

/// Members that are texts. Each has a place of its own; the last of them are seen in the whole text.
const texts = [
  'access_point', 'tool', 'arguments_sha256', 'user', 'via', 'source', 'client', 'model', 'conversation_sha256', 'expires', 'account', 'format', 'id', 'policy',
] as const;
type Action = Record<(typeof texts)[number], string> & {
  arguments: unknown;
  until: string;                                  // `expires`, as the portal writes times
  also?: { access_point: string; tool: string };  // where the call may be made once more
  rest: [string, unknown][];                      // what this page knows no place for: shown as it is
};

/// Nothing of the text is left out: a member of another name, or that is not what it should be, is in the rest. Throws
/// where it is no JSON object that ends at some time.
function read(text: string): Action {
  const all = JSON.parse(text) as Record<string, unknown>;
  const known = Object.fromEntries(texts.map((name) => [name, typeof all[name] === 'string' ? all[name] : ''])) as Record<(typeof texts)[number], string>;
  const place = all.also as Record<string, unknown> | null | undefined;
  const also = typeof place === 'object' && place !== null && typeof place.access_point === 'string' && typeof place.tool === 'string' && Object.keys(place).length === 2
    ? { access_point: place.access_point, tool: place.tool } : undefined;
  const rest = Object.entries(all).filter(([name, value]) => !(name === 'arguments' || (name === 'also' && also) || (typeof value === 'string' && (texts as readonly string[]).includes(name))));
  return { ...known, arguments: all.arguments, until: new Date(Number(known.expires) / 1000).toISOString(), also, rest };
}

/// What the factor is bound to: the calls in their order (docs/api.md).
const objectOf = async (list: Confirmation[]) => sha256(`vestibule/tool-calls/v1\n${(await Promise.all(list.map((c) => sha256(c.action)))).map((d) => `${d}\n`).join('')}`);

/// How many wait, as it changes.
export function useConfirmations() {
  const { value, error, again } = useLoad(() => look<{ confirmations: Confirmation[] }>('/v1/confirmations'));
  useLive(() => changed(['approvals'], again));
  return { waiting: value?.confirmations ?? null, error, again };
}

/// What a call's text says, if it is what its digest and raw arguments say; else null: it is neither shown nor signed.
async function actionOf(of: Confirmation): Promise<Action | null> {
  try {
    const said = read(of.action);
    return (await sha256(of.action)) === of.digest && (await sha256(of.arguments)) === said.arguments_sha256 ? said : null;
  } catch {
    return null;
  }
}
const textOf = (of: Confirmation) => JSON.stringify([of.action, of.arguments, of.digest]);

/// undefined: not looked at yet.
function useActions(list: Confirmation[] | null): (of: Confirmation) => Action | null | undefined {
  const [known, setKnown] = useState(new Map<string, Action | null>());
  useEffect(() => {
    let here = true;
    void Promise.all((list ?? []).map(async (of) => [textOf(of), await actionOf(of)] as const)).then((all) => { if (here) setKnown(new Map(all)); });
    return () => { here = false; };
  }, [list]);
  return (of) => known.get(textOf(of));
}

function Call(props: { me: Me; of: Confirmation; action: Action | null | undefined; chosen: boolean; alone: boolean; choose: (yes: boolean) => void; done: (text: string) => void }) {
  const { of, me, action } = props;
  const [disowning, setDisowning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const say = async (verb: 'decline' | 'sleep', text: string) => {
    setError(null);
    try {
      await post(`/v1/confirmations/${of.id}/${verb}`);
      props.done(text);
    } catch (e) {
      setError(e);
    }
  };
  if (action === undefined) return <li class="card"><Loading /></li>;
  if (action === null) return <li class="card"><p class="problem" role="alert">{t.confirm.unlike}</p></li>;
  const asker = action.user === me.name ? t.confirm.mine(action.user) : action.user;
  const rows: [string, string][] = [
    [t.confirm.who, asker], [t.confirm.via, action.via], [t.confirm.source, action.source], [t.confirm.client, action.client],
    [t.confirm.model, action.model], [t.confirm.since, `${at(of.created)}, ${from(of.created)}`], [t.confirm.ends, ends(action.until)],
    [t.confirm.conversation, action.conversation_sha256.replace(/^0+$/, '').slice(0, 16)],
    [t.confirm.signatures, of.signatures.map((s) => s.user).join(', ')], [t.confirm.justification, of.justification],
  ];
  return (
    <li class="card prompt-card call" id={of.id}>
      <h2><Plain text={action.tool} name /> <small>{t.confirm.at} <Plain text={action.access_point} name /></small></h2>
      <div role="group" aria-label={t.confirm.arguments} class="arguments" tabIndex={0}><Value of={action.arguments} /></div>
      <details>
        <summary>{t.confirm.raw}</summary>
        <pre class="said"><Plain text={of.arguments} /></pre><p class="hint">{t.confirm.rawHint}</p>
        <pre class="said signed"><Plain text={of.action} /></pre><p class="hint">{t.confirm.signedHint}</p>
      </details>
      {of.ran_before_s !== null && <p class="problem">{t.confirm.ran(duration(of.ran_before_s))}</p>}
      {of.need.people > 0 && <p class="notice">{t.confirm.people(of.signatures.length, of.need.people, of.need.approvers)}</p>}
      {(action.also || action.rest.length > 0) && (
        <dl class="pairs bare also">
          {action.also && (
            <div>
              <dt>{t.confirm.also}</dt>
              <dd>
                <strong><Plain text={action.also.tool} name /></strong> {t.confirm.at} <strong><Plain text={action.also.access_point} name /></strong>
                <p class="hint">{t.confirm.alsoHint}</p>
              </dd>
            </div>
          )}
          {action.rest.length > 0 && <div><dt>{t.confirm.rest}</dt><dd><Value of={Object.fromEntries(action.rest)} /><p class="hint">{t.confirm.restHint}</p></dd></div>}
        </dl>
      )}
      <dl class="pairs bare wide">{rows.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd><Plain text={value} /></dd></div>)}</dl>
      <Problem error={error} />
      {!of.may_sign && <p class="hint">{of.why_not}</p>}
      {of.may_sign && !props.alone && (
        <label class="check"><input type="checkbox" checked={props.chosen} onChange={(e) => props.choose(e.currentTarget.checked)} /> {t.confirm.select}</label>
      )}
      <div class="buttons refuse">
        <button type="button" onClick={() => void say('decline', t.confirm.declined)}>{t.confirm.decline}</button>
        {of.own && <button type="button" onClick={() => void say('sleep', t.confirm.slept)}>{t.confirm.sleep}</button>}
        {of.own && <button type="button" class="danger" onClick={() => setDisowning(true)}>{t.confirm.notMe}</button>}
      </div>
      {disowning && (
        <Ask title={t.confirm.notMeTitle} text={t.confirm.notMeText} submit={t.confirm.notMe} tone="danger" close={() => setDisowning(false)}
          run={async () => {
            await post(`/v1/confirmations/${of.id}/not-me`);
            props.done(t.confirm.disowned);
          }} />
      )}
    </li>
  );
}

function Sign({ me, list, done }: { me: Me; list: Confirmation[]; done: (text: string) => void }) {
  const [why, setWhy] = useState('');
  const kinds = list.map((c) => c.offer).reduce((a, b) => a.filter((kind) => b.includes(kind)));
  const factors = me.factors.filter((f) => kinds.includes(f.kind) && !f.disabled);
  if (factors.length === 0) return <p class="problem">{t.confirm.noFactor} <a href="/#/devices">{t.nav.devices}</a></p>;
  const says = list.some((c) => c.need.justification);
  return (
    <section class="card narrow sign">
      <p>{t.confirm.signing(list.length)}</p>
      <Ways factors={factors} order={kinds} operation="tools.confirm" object={() => objectOf(list)} submit={t.confirm.confirm(list.length)} label={t.act.code}
        run={async (by) => {
          await plain('/v1/confirmations/confirm', { ids: list.map((c) => c.id), ...(why ? { justification: why } : {}), ...by });
          done(t.confirm.confirmed(list.length));
        }}>
        {says && <Field label={t.confirm.justification} hint={t.confirm.justificationHint} value={why} change={setWhy} required maxLength={400} />}
      </Ways>
    </section>
  );
}

export function ConfirmPage({ me }: { me: Me }) {
  const { waiting, error, again } = useConfirmations();
  const actionFor = useActions(waiting);
  const [chosen, setChosen] = useState<string[]>([]);
  const [said, setSaid] = useState('');
  const [, tick] = useState(0);
  const first = useRef(true);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (!waiting || !first.current) return;
    first.current = false;
    // The one that was asked for, or the only one there is.
    const one = waiting.find((c) => c.id === addressed()) ?? (waiting.length === 1 ? waiting[0] : undefined);
    if (one) setChosen([one.id]);
    if (one && waiting.length > 1) document.getElementById(one.id)?.scrollIntoView();
  }, [waiting]);
  const done = (text: string) => {
    setSaid(text);
    setChosen([]);
    history.replaceState(null, '', '/confirm');
    again();
  };
  // In the order in which they stand on the page, and only what stands there.
  const list = (waiting ?? []).filter((c) => c.may_sign && actionFor(c) && Date.parse(c.expires) > Date.now() && chosen.includes(c.id));
  return (
    <Alone title={t.confirm.title} intro={t.confirm.intro(me.display || me.name)} said={said}>
      {() => (
        <>
          <Problem error={error} />
          {!waiting && !error && <Loading />}
          {waiting?.length === 0 && <div class="card empty"><p class="calm"><span class="dot good" aria-hidden="true" />{t.confirm.none}</p><p class="hint">{t.inbox.waiting}</p></div>}
          <ul class="cards">
            {waiting?.map((c) => (
              <Call key={c.id} me={me} of={c} action={actionFor(c)} alone={waiting.length === 1 && chosen.includes(c.id)} chosen={chosen.includes(c.id)} done={done}
                choose={(yes) => setChosen((before) => (yes ? [...before, c.id] : before.filter((id) => id !== c.id)))} />
            ))}
          </ul>
          {list.length > 0 && <Sign key={list.map((c) => c.id).join()} me={me} list={list} done={done} />}
        </>
      )}
    </Alone>
  );
}
