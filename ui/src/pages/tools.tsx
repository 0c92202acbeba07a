// Tools of MCP servers. Those that are described otherwise than before sleep; who accepts one sees what it was and
// what it is now, each out of the very text that its fingerprint is of, and hashed here: the page asks for a
// signature under what it shows, and under nothing else.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Refusal, get, plain, type Me, type Tool } from '../api';
import { canonical, isObject, middle, type Json, type JsonObject } from '../compare';
import { sha256 } from '../digest';
import { changed } from '../events/tab';
import { at, from } from '../format';
import { Dialog, Heading, Loading, Notice, Problem, useLive, useLoad } from '../parts/basics';
import { Compared, namesOf } from '../parts/compare';
import { Marked, Plain, Value, type Side } from '../parts/plain';
import { Ways } from '../parts/proof';
import { t } from '../strings';

const first = ['description', 'inputSchema', 'outputSchema', 'annotations', 'title', 'name'];
const keyOf = (of: Tool) => JSON.stringify([of.access_point, of.tool]);
const trusted = (of: Tool) => (of.by === null ? t.tools.first(at(of.since)) : t.tools.accepted(of.by, at(of.since)));

/// A definition as it is read. `exact`: as it can be read in one way only.
interface Reading { text: string; value: JsonObject; exact: boolean }

/// Null: not kept. Fails if the text is not what the fingerprint is of, or speaks of another tool.
async function read(tool: string, text: string | undefined, digest: string): Promise<Reading | null> {
  if (text === undefined || text === '') return null;
  if ((await sha256(text)) !== digest) throw new Error(t.tools.unlike);
  const value = JSON.parse(text) as Json;
  if (!isObject(value) || value.name !== tool) throw new Error(t.tools.unlike);
  return { text, value, exact: canonical(value) === text };
}

/// What the gateway knows of one tool, all out of one answer.
async function lookAt(of: Tool): Promise<{ tool: Tool; was: Reading | null; now: Reading | null }> {
  const { tools } = await get<{ tools: Tool[] }>(`/v1/tools?access_point=${encodeURIComponent(of.access_point)}&tool=${encodeURIComponent(of.tool)}`);
  const tool = tools[0];
  if (!tool || keyOf(tool) !== keyOf(of)) throw new Error(t.tools.unlike);
  const was = await read(tool.tool, tool.accepted_text, tool.accepted);
  if (tool.state !== 'asleep') return { tool, was, now: null };
  if (tool.shown_text === '') throw new Error(t.tools.tooLong);
  const now = await read(tool.tool, tool.shown_text, tool.shown ?? '');
  if (!now) throw new Error(t.tools.unlike);
  return { tool, was, now };
}
type Looked = Awaited<ReturnType<typeof lookAt>>;

/// The text itself, and whether one may rely on how it was read.
function Exact({ of, other, side }: { of: Reading; other?: Reading | null; side: Side }) {
  const where = other ? (side === 'was' ? middle(of.text, other.text) : middle(other.text, of.text)) : null;
  return (
    <>
      {!of.exact && <p class="problem">{t.tools.ambiguous}</p>}
      <details open={!of.exact}><summary>{t.tools.exact[side]}</summary><pre class="said"><Plain text={of.text} part={where ? { from: where.from, to: where[side], side } : undefined} /></pre></details>
    </>
  );
}

function Whole({ of, title }: { of: JsonObject; title: string }) {
  return <section class="member"><h3>{title}</h3><div class="side"><Value of={of} /></div></section>;
}

function Differences({ was, now }: { was: JsonObject; now: JsonObject }) {
  const names = namesOf(was, now, first);
  const rest = Object.fromEntries(names.filter((n) => !n.differs).map(({ name }) => [name, now[name]!]));
  return (
    <>
      {names.filter((n) => n.differs).map(({ name }) => {
        const [before, after] = [Object.hasOwn(was, name), Object.hasOwn(now, name)];
        return (
          <section class="member" key={name}>
            <h3><Plain text={name} name /> <span class="tag bad">{before ? (after ? t.tools.states.changed : t.tools.states.removed) : t.tools.states.added}</span></h3>
            <div class="sides">
              {before && <div class="side"><h4>{t.tools.was}</h4>{after ? <Compared of={was[name]!} other={now[name]!} side="was" /> : <Marked side="was" block><Value of={was[name]!} /></Marked>}</div>}
              {after && <div class="side"><h4>{t.tools.now}</h4>{before ? <Compared of={now[name]!} other={was[name]!} side="now" /> : <Marked side="now" block><Value of={now[name]!} /></Marked>}</div>}
            </div>
          </section>
        );
      })}
      {Object.keys(rest).length > 0 && <Whole of={rest} title={t.tools.rest} />}
    </>
  );
}

/// `of` is what the comparison shows; its fingerprint is what is signed.
function Accept(props: { me: Me; of: Tool; close: () => void; conflict: () => void; done: () => void }) {
  const { access_point, tool, shown } = props.of;
  return (
    <Dialog title={t.tools.acceptTitle} close={props.close}>
      <dl class="pairs bare">
        <div><dt>{t.tools.point}</dt><dd><Plain text={access_point} name /></dd></div>
        <div><dt>{t.tools.tool}</dt><dd><Plain text={tool} name /></dd></div>
        <div><dt>{t.tools.fingerprint}</dt><dd><code>{shown}</code></dd></div>
      </dl>
      <p class="dialog-text">{t.tools.acceptText}</p>
      <Ways factors={props.me.factors} operation="tools.accept" object={`${access_point}/${tool} ${shown}`} submit={t.tools.acceptSubmit} label={t.act.code} autoFocus
        aside={<button type="button" onClick={props.close}>{t.cancel}</button>}
        run={async (by) => {
          try {
            await plain('/v1/tools/accept', { access_point, tool, digest: shown, ...by });
          } catch (e) {
            if (!(e instanceof Refusal) || e.code !== 'conflict') throw e;
            return props.conflict();
          }
          props.done();
        }} />
    </Dialog>
  );
}

function Comparison(props: { me: Me; rules: boolean; of: Tool; id: string; done: (text: string) => void; again: () => void }) {
  const { value, error, again } = useLoad(() => lookAt(props.of), [props.of.shown]);
  const [accepting, setAccepting] = useState<Looked | null>(null);
  const [stale, setStale] = useState<Looked | null>(null);  // the gateway said that it is no longer so
  const box = useRef<HTMLDivElement>(null);
  const seen = useRef<string>();  // the fingerprint that this person has looked at first
  if (value) seen.current ??= value.tool.shown;
  const anew = (stale !== null && stale !== value) || (!!value && value.tool.shown !== seen.current);
  useEffect(() => {
    if (value && value.tool.state !== 'asleep') props.done(t.tools.already);
    else if (anew) {  // to where the news is read
      box.current?.focus({ preventScroll: true });
      box.current?.scrollIntoView();
    }
  }, [value]);
  // What is not so any longer is not shown, and never signed.
  const shown = error || value === stale || !value?.now ? null : value;
  const { tool, was, now } = shown ?? {};
  const same = tool?.shown === tool?.accepted;
  return (
    <div id={props.id} ref={box} tabIndex={-1} class="comparison">
      <Problem error={error} />
      {anew && <p class="problem" role="alert">{t.tools.again}</p>}
      {!shown && !error && <Loading />}
      {tool && now && (
        <>
          {same ? <p class="notice">{t.tools.back}</p> : !was && <p class="notice">{t.tools.lost}</p>}
          {was && !same ? <Differences was={was.value} now={now.value} /> : <Whole of={now.value} title={t.tools.whole} />}
          {was && !same && <Exact of={was} other={now} side="was" />}
          <Exact of={now} other={same ? null : was} side="now" />
          <dl class="pairs bare prints">
            {!same && <div><dt>{t.tools.was}</dt><dd><code>{tool.accepted}</code></dd></div>}
            <div><dt>{t.tools.now}</dt><dd><code>{tool.shown}</code></dd></div>
          </dl>
          <p class="hint">{props.rules ? t.tools.acceptHint : t.tools.acceptReader}</p>
          {props.rules && <div class="buttons"><button type="button" class="primary" onClick={() => setAccepting(shown)}>{t.tools.accept}</button></div>}
        </>
      )}
      {shown && accepting === shown && (
        <Accept me={props.me} of={shown.tool} close={() => setAccepting(null)} done={() => props.done(t.tools.woken)}
          conflict={() => { setAccepting(null); setStale(shown); again(); props.again(); }} />
      )}
    </div>
  );
}

function Asleep(props: { me: Me; rules: boolean; of: Tool; done: (text: string) => void; again: () => void }) {
  const { of } = props;
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <li class="card alarm">
      <div class="row">
        <div>
          <h2><Plain text={of.tool} name /> <small>{t.confirm.at} <Plain text={of.access_point} name /></small></h2>
          <p class="facts"><span>{t.tools.changed(`${at(of.changed)}, ${from(of.changed)}`)}</span><span>{trusted(of)}</span></p>
        </div>
        <button type="button" aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => setOpen(!open)}>{t.tools.look}<span class="unseen"> {of.tool}</span></button>
      </div>
      {open && <Comparison me={props.me} rules={props.rules} of={of} id={id} done={props.done} again={props.again} />}
    </li>
  );
}

function Definition({ of }: { of: Tool }) {
  const { value, error } = useLoad(() => lookAt(of), [of.accepted]);
  return (
    <>
      <Problem error={error} />
      {!value && !error && <Loading />}
      {value && !value.was && <p class="notice">{t.tools.lostAwake}</p>}
      {value?.was && <div class="side"><Value of={value.was.value} /></div>}
      {value?.was && !value.was.exact && <Exact of={value.was} side="was" />}
      {value && <p class="hint">{t.tools.fingerprint} <code>{value.tool.accepted}</code></p>}
    </>
  );
}

function Awake({ of }: { of: Tool }) {
  const [open, setOpen] = useState(false);
  return (
    <li>
      <details onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary><Plain text={of.tool} name /> <span class="hint">{trusted(of)}</span></summary>
        {open && <Definition of={of} />}
      </details>
    </li>
  );
}

export function Tools({ me, rules }: { me: Me; rules: boolean }) {
  const { value, error, again } = useLoad(() => get<{ tools: Tool[] }>('/v1/tools'));
  useLive(() => changed(['notices'], again));  // administrators are told of a tool that falls asleep
  const [note, setNote] = useState('');
  const asleep = value?.tools.filter((one) => one.state === 'asleep') ?? [];
  const awake = value?.tools.filter((one) => one.state !== 'asleep') ?? [];
  const done = (text: string) => {
    setNote(text);
    again();
  };
  return (
    <>
      <Heading title={t.tools.title} intro={t.tools.intro} />
      <Notice text={note} />
      <Problem error={error} />
      {!value && !error && <Loading />}
      {value && (
        <p class="calm">
          <span class={`dot ${asleep.length > 0 ? 'bad' : awake.length > 0 ? 'good' : ''}`} aria-hidden="true" />
          {asleep.length > 0 ? t.tools.asleep(asleep.length) : awake.length > 0 ? t.tools.calm : t.tools.none}
        </p>
      )}
      <ul class="cards">
        {asleep.map((one) => <Asleep key={keyOf(one)} me={me} rules={rules} of={one} done={done} again={again} />)}
      </ul>
      {[...new Set(awake.map((one) => one.access_point))].map((point) => (
        <section key={point}>
          <h2>{t.tools.awake(point)}</h2>
          <ul class="card tools">{awake.filter((one) => one.access_point === point).map((one) => <Awake key={keyOf(one)} of={one} />)}</ul>
        </section>
      ))}
    </>
  );
}
