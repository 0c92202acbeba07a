// The ways in: set-up, sign-in, second factor, enrolment, recovery.
import { useEffect, useState } from 'preact/hooks';
import { look, plain, type Me } from '../api';
import { Field, Form, Heading, Notice, Problem } from '../parts/basics';
import { Enrol } from '../parts/enrol';
import { Prove } from '../parts/proof';
import { offered, signInWithPasskey } from '../passkey';
import { t } from '../strings';

export function SetUp({ token, done }: { token: string; done: () => void }) {
  const [given, setGiven] = useState(token);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  // The token leaves the address bar and the history at once.
  useEffect(() => { if (token) history.replaceState(null, '', '#/setup'); }, []);
  const run = async () => {
    await plain('/v1/setup', { token: given.trim(), name: name.trim(), password });
    done();
  };
  return (
    <>
      <Heading title={t.setup.title} intro={t.setup.intro} />
      <Form run={run} submit={t.setup.submit}>
        {!token && <Field label={t.setup.token} value={given} change={setGiven} hint={t.setup.tokenHint} required autoComplete="off" spellcheck={false} />}
        <Field label={t.setup.name} value={name} change={setName} hint={t.setup.nameHint} required autoComplete="username" autoCapitalize="none" spellcheck={false} maxLength={64} />
        <Field label={t.setup.password} value={password} change={setPassword} hint={t.setup.passwordHint} type="password" required minLength={12} autoComplete="new-password" />
      </Form>
    </>
  );
}

export function SignIn({ note, done }: { note: string; done: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [bare, setBare] = useState(false);
  const [keys, setKeys] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    look<{ needs_setup: boolean }>('/v1/health').then((h) => setBare(h.needs_setup), setError);
    void offered().then(setKeys);
  }, []);
  const run = async () => {
    await plain('/v1/sign-in', { name: name.trim(), password });
    done();
  };
  const byKey = async () => {
    setError(null);
    try {
      await signInWithPasskey();
      done();
    } catch (e) {
      setError(e);
    }
  };
  return (
    <>
      <Heading title={t.signIn.title} />
      <Notice text={note} />
      {bare && <p class="notice">{t.signIn.needsSetup} <a href="#/setup">{t.signIn.needsSetupLink}</a>.</p>}
      <Form run={run} submit={t.signIn.submit} problem={error}>
        <Field label={t.signIn.name} value={name} change={setName} required autoComplete="username webauthn" autoCapitalize="none" spellcheck={false} />
        <Field label={t.signIn.password} value={password} change={setPassword} type="password" required autoComplete="current-password" />
      </Form>
      {keys && (
        <>
          <p class="or"><span>{t.or}</span></p>
          <button type="button" class="wide" onClick={byKey}>{t.signIn.passkey}</button>
        </>
      )}
      <p class="aside"><a href="#/enrol">{t.signIn.code}</a></p>
    </>
  );
}

export function SecondFactor({ me, done, signOut }: { me: Me; done: () => void; signOut: () => void }) {
  return (
    <>
      <Heading title={t.second.title} intro={t.second.intro} />
      <Prove factors={me.factors} order={me.second} submit={t.second.submit} done={done} />
      <p class="aside"><a href="#/recovery">{t.second.lost}</a></p>
      <p class="aside"><button type="button" class="link" onClick={signOut}>{t.second.restart}</button></p>
    </>
  );
}

export function Recovery({ me, done }: { me: Me | null; done: () => void }) {
  const [code, setCode] = useState('');
  const run = async () => {
    await plain('/v1/prove', { kind: 'recovery_code', answer: code.trim() });
    done();
  };
  return (
    <>
      <Heading title={t.recovery.title} intro={t.recovery.intro} />
      {me ? (
        <Form run={run} submit={t.recovery.submit}>
          <Field label={t.recovery.code} value={code} change={setCode} hint={t.recovery.codeHint} required autoComplete="off" autoCapitalize="none" spellcheck={false} />
        </Form>
      ) : <p>{t.recovery.needsPassword}</p>}
      <h2 class="minor">{t.recovery.elsewhere}</h2>
      <ul class="plain"><li>{t.recovery.admin}</li><li>{t.recovery.host}</li></ul>
      <p class="aside"><a href="#/">{t.back}</a></p>
    </>
  );
}

export function EnrolCode({ code, done }: { code: string; done: () => void }) {
  const [given, setGiven] = useState(code);
  const [password, setPassword] = useState('');
  useEffect(() => { if (code) history.replaceState(null, '', '#/enrol'); }, []);
  const run = async () => {
    await plain('/v1/enrol', { code: given.trim(), password });
    done();
  };
  return (
    <>
      <Heading title={t.enrolCode.title} intro={t.enrolCode.intro} />
      <Form run={run} submit={t.enrolCode.submit}>
        <Field label={t.enrolCode.code} value={given} change={setGiven} required autoComplete="off" autoCapitalize="none" spellcheck={false} />
        <Field label={t.enrolCode.password} value={password} change={setPassword} hint={t.setup.passwordHint} type="password" required minLength={12} autoComplete="new-password" />
      </Form>
      <p class="aside"><a href="#/">{t.back}</a></p>
    </>
  );
}

export function FirstFactor({ done }: { done: () => void }) {
  return (
    <>
      <Heading title={t.enrol.title} intro={t.enrol.intro} />
      <Problem error={null} />
      <Enrol done={done} />
    </>
  );
}
