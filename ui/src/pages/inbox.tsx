// The approvals inbox: a page of its own for a device, whoever is or is not signed in on it.
import { useEffect, useState } from 'preact/hooks';
import { Refusal } from '../api';
import { answer, devices, forget, inbox, type Device, type Inbox, type Prompt, type Verdict } from '../device';
import { at, client, ends, from } from '../format';
import { WaitingCalls } from './approve';
import { Field, Heading, Loading, Mark, Notice, Problem } from '../parts/basics';
import { t } from '../strings';

const kAgain = 5000;  // ms after a failure
const over = ['credential_unknown', 'factor_missing', 'not_found', 'user_disabled', 'factor_locked'];

function Card({ device, prompt, done }: { device: Device; prompt: Prompt; done: (text: string) => void }) {
  const [digits, setDigits] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const say = async (verdict: Verdict, number = '') => {
    setBusy(true);
    setError(null);
    try {
      const { state } = await answer(device, prompt.id, verdict, number);
      done(verdict === 'approve' && state === 'declined' ? t.inbox.wrong : (t.inbox.states[verdict === 'not_me' ? 'not_me' : state] ?? state));
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const rows: [string, string][] = [
    [t.inbox.who, prompt.user], [t.inbox.what, prompt.operation], [t.inbox.object, prompt.object],
    [t.inbox.from, ['local', 'unix'].includes(prompt.source) ? t.inbox.here : prompt.source], [t.inbox.client, client(prompt.client)],
    [t.inbox.since, `${at(prompt.created)}, ${from(prompt.created)}`], [t.inbox.ends, ends(prompt.expires)],
  ];
  return (
    <li class="card prompt-card">
      <h2>{prompt.what}</h2>
      <dl class="pairs bare" title={prompt.client}>{rows.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <Problem error={error} />
      {prompt.match === 'choose' ? (
        <fieldset class="choose" aria-describedby={`${prompt.id}-hint`}>
          <legend>{t.inbox.choose}</legend>
          {(prompt.choices ?? []).map((choice) => <button type="button" key={choice} disabled={busy} onClick={() => void say('approve', choice)}>{choice}</button>)}
          <p class="hint" id={`${prompt.id}-hint`}>{t.inbox.chooseHint}</p>
        </fieldset>
      ) : (
        <form onSubmit={(e) => { e.preventDefault(); void say('approve', digits); }}>
          <Field label={t.inbox.number} class="code" value={digits} change={(v) => setDigits(v.replace(/\D/g, ''))} hint={t.inbox.numberHint} required
            inputMode="numeric" autoComplete="off" pattern="[0-9]{6}" maxLength={6} spellcheck={false} />
          <div class="buttons"><button type="submit" class="primary" disabled={busy || digits.length !== 6}>{t.inbox.approve}</button></div>
        </form>
      )}
      <div class="buttons refuse">
        <button type="button" disabled={busy} onClick={() => void say('decline')}>{t.inbox.decline}</button>
        <button type="button" class="danger" disabled={busy} onClick={() => void say('not_me')} title={t.inbox.notMeHint}>{t.inbox.notMe}</button>
      </div>
    </li>
  );
}

function Of({ device, several, lost }: { device: Device; several: boolean; lost: () => void }) {
  const [value, setValue] = useState<Inbox | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [gone, setGone] = useState(false);
  const [said, setSaid] = useState('');
  const [answered, setAnswered] = useState<string[]>([]);
  useEffect(() => {
    let control = new AbortController();
    const run = async (mine: AbortController) => {
      let version: Inbox['version'] | undefined;
      while (!mine.signal.aborted) {
        try {
          const box = await inbox(device, version, mine.signal);
          version = box.version;
          setValue(box);
          setError(null);
        } catch (e) {
          if (mine.signal.aborted) return;
          if (e instanceof Refusal && over.includes(e.code)) return setGone(true);
          setError(e);
          version = undefined;
          await new Promise((next) => setTimeout(next, kAgain));
        }
      }
    };
    // Nobody waits for what a hidden page shows: its bell rings.
    const seen = () => {
      control.abort();
      if (document.hidden) return;
      control = new AbortController();
      void run(control);
    };
    seen();
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      control.abort();
    };
  }, [device.id]);
  const prompts = value?.prompts.filter((p) => !answered.includes(p.id)) ?? [];
  return (
    <section>
      {several && <h2 class="minor">{t.inbox.of(device.name)}</h2>}
      <Notice text={said} />
      {gone ? (
        <div class="card narrow">
          <p>{t.inbox.gone}</p>
          <div class="buttons"><button type="button" onClick={() => void forget(device.id).then(lost)}>{t.inbox.forget}</button></div>
        </div>
      ) : (
        <>
          <Problem error={error} />
          {!value && !error && <Loading />}
          {value && prompts.length === 0 && (
            <div class="card empty">
              <p class="calm"><span class="dot good" aria-hidden="true" />{t.inbox.none}</p>
              <p class="hint">{t.inbox.waiting}</p>
            </div>
          )}
          <ul class="cards" aria-live="polite">
            {prompts.map((prompt) => (
              <Card key={prompt.id} device={device} prompt={prompt} done={(text) => {
                setAnswered((all) => [...all, prompt.id]);
                setSaid(text);
              }} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

export function InboxPage({ signedIn }: { signedIn: boolean }) {
  const [own, setOwn] = useState<Device[] | null>(null);
  const load = () => void devices().then(setOwn);
  useEffect(load, []);
  // The gateway's replies forbid frames; a browser that does not know how shows no buttons either.
  const framed = top !== self;
  return (
    <div class="alone">
      <header class="top">
        <a class="brand" href="#/"><Mark size={30} /><span>{t.product}</span></a>
        <a class="to-portal" href="#/">{t.inbox.portal}</a>
      </header>
      <main>
        <div class="page">
          <Heading title={t.inbox.title} intro={framed ? t.inbox.framed : t.inbox.intro} />
          {!framed && (signedIn ? <WaitingCalls /> : <p class="hint"><a href="/approve">{t.approve.title}</a></p>)}
          {!framed && own?.map((device) => <Of key={device.id} device={device} several={own.length > 1} lost={load} />)}
          {!framed && own?.length === 0 && (
            <div class="card empty">
              <h2>{t.inbox.noDevice}</h2>
              <p class="hint">{t.inbox.noDeviceText}</p>
            </div>
          )}
        </div>
      </main>
    </div>
  );
}
