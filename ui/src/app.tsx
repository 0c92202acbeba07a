// Which page is shown to whom, and the frame around it.
import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Refusal, look, plain, post, session, type Me, type Notice } from './api';
import { changed, listen, show } from './events/tab';
import { day, duration } from './format';
import { ApprovePage, isApprovePage, useApprovals } from './pages/approve';
import { Chat } from './pages/chat';
import { ConfirmPage, isConfirmPage, useConfirmations } from './pages/confirm';
import { Consent, DeviceConsent } from './pages/consent';
import { Coverage } from './pages/coverage';
import { Decisions } from './pages/decisions';
import { Devices } from './pages/devices';
import { EnrolCode, FirstFactor, Recovery, SecondFactor, SetUp, SignIn } from './pages/entrance';
import { InboxPage } from './pages/inbox';
import { Keys } from './pages/keys';
import { Log } from './pages/log';
import { Notices } from './pages/notices';
import { PolicyPage } from './pages/policy';
import { Mandates } from './pages/mandates';
import { Resets } from './pages/resets';
import { Services } from './pages/services';
import { Sessions } from './pages/sessions';
import { StatusPage } from './pages/status';
import { StopPage } from './pages/stop';
import { Tokens } from './pages/tokens';
import { Tools } from './pages/tools';
import { Users } from './pages/users';
import { Doors, Loading, Mark } from './parts/basics';
import { StepUp } from './parts/proof';
import { t } from './strings';

const route = () => location.hash.replace(/^#\/?/, '');
export const go = (to: string) => { location.hash = `#/${to}`; };

export function App() {
  const [me, setMe] = useState<Me | null | undefined>(undefined);
  const [at, setAt] = useState(route());
  const [note, setNote] = useState('');
  const [asking, setAsking] = useState<{ reason: string; offer?: string[]; done: (proved: boolean) => void } | null>(null);
  const [notices, setNotices] = useState<Notice[] | null>(null);  // null: this gateway keeps none
  const known = useRef<Me | null>(null);
  const leaving = useRef(false);  // by this tab's own wish

  const refresh = useCallback(async () => {
    try {
      known.current = await look<Me>('/v1/me');
    } catch (error) {
      if (error instanceof Refusal && error.code === 'network' && known.current) return;
      known.current = null;
    }
    setMe(known.current);
  }, []);
  const news = useCallback(async () => {
    if (!known.current || known.current.flags.pending) return;
    const found = await look<{ notices: Notice[] }>('/v1/notices').catch(() => null);
    setNotices((before) => found?.notices ?? before);
  }, []);

  useEffect(() => {
    const moved = () => setAt(route());
    addEventListener('hashchange', moved);
    // Several acts that meet the lapse at once share one dialog.
    let open: Promise<boolean> | null = null;
    session.stepUp = (reason, offer) => {
      if (!known.current || known.current.flags.pending) return Promise.resolve(false);
      open ??= new Promise<boolean>((done) => {
        setAsking({ reason, offer, done: (proved) => {
          open = null;
          setAsking(null);
          void refresh();
          done(proved);
        } });
      });
      return open;
    };
    session.over = () => {
      if (!known.current) return;
      known.current = null;
      setMe(null);
      setNote(t.signIn.ended);
    };
    void refresh();
    // Somebody may have signed in at another tab meanwhile.
    const seen = () => { if (!document.hidden && !known.current) void refresh(); };
    document.addEventListener('visibilitychange', seen);
    const offs = [
      changed(['me', 'factors', 'notices', 'stops', 'policy'], () => void refresh()),
      changed(['notices'], () => void news()),
      listen((told) => {
        if (told.tell !== 'ended' || told.decisions || told.reason === 'conflict') return;
        const was = known.current;
        void refresh().then(() => { if (was && !known.current && !leaving.current) setNote(t.signIn.ended); });
      }),
    ];
    return () => {
      removeEventListener('hashchange', moved);
      document.removeEventListener('visibilitychange', seen);
      offs.forEach((off) => off());
    };
  }, []);
  const mine = me && !me.flags.pending ? me.session : null;
  const reader = !!me && (me.roles.includes('administrator') || me.roles.includes('auditor'));
  useEffect(() => {
    if (me === undefined) return;
    show(mine);
    setNotices(null);
    if (mine) void news();
  }, [mine]);

  const entered = async () => {
    leaving.current = false;
    setNote('');
    await refresh();
    // Wherever one came in, the token or code in the address has done its work.
    if (/^(setup|enrol|recovery|sign-in)/.test(route())) history.replaceState(null, '', '#/');
    setAt(route());
  };
  const signOut = async () => {
    leaving.current = true;
    await plain('/v1/sign-out').catch(() => {});
    known.current = null;
    setMe(null);
    setNote(t.signIn.signedOut);
    go('');
  };

  const [page, rest] = at.split(/\/(.*)/s) as [string, string?];
  if (page === 'inbox') return <InboxPage signedIn={!!me && !me.flags.pending} />;
  if (me === undefined) return <main class="entrance"><Loading /></main>;
  if (me === null) {
    if (page === 'setup') return <Entrance><SetUp token={rest ?? ''} done={entered} /></Entrance>;
    if (page === 'enrol') return <Entrance><EnrolCode code={rest ?? ''} done={entered} /></Entrance>;
    if (page === 'recovery') return <Entrance><Recovery me={null} done={entered} /></Entrance>;
    return <Entrance><SignIn note={note} done={entered} /></Entrance>;
  }
  if (me.flags.pending) {
    const first = me.flags.enrol_grant || me.flags.factor_management;
    return (
      <Entrance>
        {first ? <FirstFactor done={entered} /> : page === 'recovery' ? <Recovery me={me} done={entered} /> : <SecondFactor me={me} done={entered} signOut={signOut} />}
      </Entrance>
    );
  }
  if (isApprovePage() || isConfirmPage()) {
    return (
      <>
        {isApprovePage() ? <ApprovePage me={me} /> : <ConfirmPage me={me} />}
        {asking && <StepUp reason={asking.reason} factors={me.factors} order={asking.offer ?? me.second} done={asking.done} />}
      </>
    );
  }
  const rules = me.roles.includes('administrator');
  const pages: Record<string, () => ComponentChildren> = {
    devices: () => <Devices me={me} refresh={refresh} />,
    sessions: () => <Sessions />,
    keys: () => <Keys me={me} />,
    ...(rest && page === 'consent' ? { consent: () => <Consent key={rest} request={rest} /> } : {}),
    ...(page === 'device' ? { device: () => <DeviceConsent key={rest ?? ''} code={rest ?? ''} me={me} /> } : {}),
    mandates: () => <Mandates me={me} />,
    services: () => (rest ? <Keys key={rest} me={me} service={decodeURIComponent(rest)} /> : <Services me={me} />),
    ...(notices ? { notices: () => <Notices notices={notices} tools={reader} again={() => void news()} /> } : {}),
    ...(reader ? {
      status: () => <StatusPage />, decisions: () => <Decisions />, log: () => <Log />, users: () => <Users me={me} rules={rules} />,
      resets: () => <Resets me={me} rules={rules} />, tokens: () => <Tokens me={me} rules={rules} />, coverage: () => <Coverage />,
      policy: () => <PolicyPage me={me} rules={rules} refresh={refresh} />, tools: () => <Tools me={me} rules={rules} />,
    } : {}),
    ...(rules ? { stop: () => <StopPage me={me} /> } : {}),
  };
  const shown = pages[page] ? page : 'chat';
  return (
    <>
      <Frame me={me} page={shown} others={Object.keys(pages)} unseen={notices?.filter((n) => !n.seen).length ?? 0} signOut={signOut} renew={() => void session.stepUp('mfa_lapsed')}>
        <Banners me={me} page={shown} refresh={refresh} />
        <div class={shown === 'chat' ? 'keep' : 'keep hidden'}><Chat me={me} shown={shown === 'chat'} refresh={refresh} /></div>
        {shown !== 'chat' && <div key={shown} class="page">{pages[shown]!()}</div>}
      </Frame>
      {asking && <StepUp reason={asking.reason} factors={me.factors} order={asking.offer ?? me.second} done={asking.done} />}
    </>
  );
}

function Entrance({ children }: { children: ComponentChildren }) {
  return (
    <div class="entrance">
      <header class="threshold">
        <div class="brand"><Mark size={40} /><span>{t.product}</span></div>
        <Doors />
        <p class="tagline">{t.tagline}</p>
        <ul>{t.promise.map((line) => <li key={line}>{line}</li>)}</ul>
      </header>
      <main><div class="card">{children}</div></main>
    </div>
  );
}

/// What a person must know wherever they are: alerts, what is to be done by when, recovery codes that run out.
function Banners({ me, page, refresh }: { me: Me; page: string; refresh: () => Promise<void> }) {
  const left = me.factors.find((f) => f.kind === 'recovery_code')?.codes_left ?? null;
  const due = (me.deadlines ?? []).filter((d) => !d.met);
  const few = left !== null && left < 4 && page !== 'devices';
  if (!me.alerts?.length && due.length === 0 && !few) return null;
  return (
    <div class="banners">
      {me.alerts?.map((a) => <p class="problem" role="alert" key={a.kind + a.text}>{a.text} <span class="hint">{t.banner.until(day(a.until))}</span>
        {a.kind === 'reset_requested' && a.id && <> <button type="button" class="small" onClick={() => void post(`/v1/resets/${a.id}/decline`).catch(() => {}).then(refresh)}>{t.banner.decline}</button></>}</p>)}
      {due.map((d) => <p class="notice" key={d.needs + d.by}>{t.banner.deadline(t.needs[d.needs] ?? d.needs, day(d.by))} <a href="#/devices">{t.banner.deadlineLink}</a></p>)}
      {few && <p class="notice">{t.banner.few(left)} <a href="#/devices">{t.banner.fewLink}</a></p>}
    </div>
  );
}

/// How fresh the proof is: the best of the access points counts.
function Freshness({ me, renew }: { me: Me; renew: () => void }) {
  const [now, setNow] = useState(Date.now());
  const since = useRef(Date.now());
  useEffect(() => { since.current = Date.now(); setNow(Date.now()); }, [me]);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const points = me.access_points.filter((p) => p.outcome === 'allow' && p.expires_in_s !== null);
  const best = points.reduce((a, p) => (p.expires_in_s! > (a?.expires_in_s ?? -1) ? p : a), undefined as Me['access_points'][number] | undefined);
  const whole = best?.need.max_age_s ?? 3600;
  const left = best ? Math.max(0, best.expires_in_s! - (now - since.current) / 1000) : 0;
  const share = best ? Math.min(1, left / whole) : 0;
  if (me.access_points.length === 0) return null;
  return (
    <div class={`freshness ${share === 0 ? 'lapsed' : share < 0.2 ? 'short' : ''}`}>
      <svg viewBox="0 0 36 36" width="30" height="30" aria-hidden="true">
        <circle class="ring" cx="18" cy="18" r="15" pathLength="100" />
        <circle class="ring-left" cx="18" cy="18" r="15" pathLength="100" stroke-dasharray={`${share * 100} 100`} />
      </svg>
      <span class="freshness-text">{share > 0 ? t.fresh.open(duration(left)) : t.fresh.lapsed}</span>
      {share < 0.2 && <button type="button" class="small" onClick={renew}>{t.fresh.renew}</button>}
    </div>
  );
}

/// To the pages of their own where calls are approved and confirmed, and how many wait there.
function WaitingLink({ to, text, waiting }: { to: string; text: string; waiting: unknown[] | null }) {
  return <li><a href={to}>{text}{waiting && waiting.length > 0 && <span class="tag bad">{t.nav.unseen(waiting.length)}</span>}</a></li>;
}
const WaitingCalls = () => <WaitingLink to="/approve" text={t.nav.calls} waiting={useApprovals().waiting} />;
const WaitingTools = () => <WaitingLink to="/confirm" text={t.nav.toolCalls} waiting={useConfirmations().waiting} />;

const administration = ['status', 'decisions', 'log', 'users', 'resets', 'tokens', 'coverage', 'policy', 'tools', 'stop'] as const;

function Frame(props: { me: Me; page: string; others: string[]; unseen: number; signOut: () => void; renew: () => void; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const { me, page, others } = props;
  useEffect(() => setOpen(false), [page]);
  const link = (to: string, text: string, more?: ComponentChildren) => (
    <li key={to}><a href={`#/${to}`} aria-current={page === to ? 'page' : undefined} onClick={() => setOpen(false)}>{text}{more}</a></li>
  );
  const administers = administration.filter((p) => others.includes(p));
  const badge = props.unseen > 0 && <span class="tag bad">{t.nav.unseen(props.unseen)}</span>;
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>{t.skip}</a>
      <header class="top">
        <a class="brand" href="#/chat"><Mark size={30} /><span>{t.product}</span></a>
        <button type="button" class="menu" aria-expanded={open} aria-controls="nav" onClick={() => setOpen(!open)}>{t.menu} {badge}</button>
        <Freshness me={me} renew={props.renew} />
      </header>
      <nav id="nav" class={open ? 'open' : ''} aria-label={t.nav.label}>
        <ul>
          {link('chat', t.nav.chat)}
          {me.factors.some((f) => f.kind === 'push') && link('inbox', t.nav.inbox)}
          <WaitingCalls />
          <WaitingTools />
          {link('devices', t.nav.devices)}
          {link('sessions', t.nav.sessions)}
          {link('keys', t.nav.keys)}
          {link('mandates', t.nav.mandates)}
          {link('services', t.nav.services)}
          {others.includes('notices') && link('notices', t.nav.notices, badge)}
        </ul>
        {administers.length > 0 && (
          <>
            <h2>{t.nav.administration}</h2>
            <ul>{administers.map((p) => link(p, t.nav[p]))}</ul>
          </>
        )}
        <div class="who">
          <strong>{me.display || me.name}</strong>
          <span class="hint">{me.roles.join(', ')}</span>
          <button type="button" class="small" onClick={props.signOut}>{t.nav.signOut}</button>
        </div>
      </nav>
      <main id="main" tabIndex={-1}>{props.children}</main>
    </div>
  );
}
