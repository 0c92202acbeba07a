// The authorization server before two independent clients: openid-client and oauth4webapi. A person says yes
// in a real browser; tokens open the access point that they are for; what lapses, lapses.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Gateway, policy, sleep } from './lib/gateway.mjs';
import { launch, look, visit } from './lib/browser.mjs';
import { button, into } from './lib/portal.mjs';
import { Upstream, chat } from './lib/upstream.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const insecure = { [oauth.allowInsecureRequests]: true };
const points = (up) => ({ main: { upstreams: [up.url], prefix: '/main', description: 'Test' }, other: { upstreams: [up.url], prefix: '/other', sensitivity: 'high' } });

async function world(t, options = {}) {
  const up = await Upstream.start();
  t.after(() => up.close());
  up.answer = chat;
  const gateway = await Gateway.start({ points: points(up), ...options });
  t.after(() => gateway.stop());
  const ada = await gateway.setup();
  return { up, gateway, ada };
}
/// Calls the access point with a token; what came back.
const ask = (gateway, token, point = 'main', headers = {}) => fetch(`${gateway.url}/${point}/v1/chat/completions`, {
  method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}`, ...headers },
  body: JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'hello' }] }),
});
/// The person's yes by the control socket: the same route that the page calls.
async function allow(gateway, person, url) {
  const sent = await fetch(url, { redirect: 'manual' });
  assert.equal(sent.status, 302, await sent.text());
  const page = sent.headers.get('location');
  assert.ok(page.startsWith(`${gateway.portal}/#/consent/`), page);
  const said = await gateway.api('POST', '/v1/oauth/consent/allow', { request: page.split('/consent/')[1] }, person);
  return new URL(said.redirect);
}
async function discovered(gateway, metadata, options = {}) {
  return openid.dynamicClientRegistration(new URL(gateway.portal), {
    client_name: 'Editor', redirect_uris: ['http://127.0.0.1/cb'], token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'ES256',
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], ...metadata,
  }, metadata?.token_endpoint_auth_method ? undefined : openid.None(), { execute: [openid.allowInsecureRequests], ...options });
}

describe('oauth', { concurrency: true }, () => {

test('from a 401 to a token by a person in a browser, with openid-client', async (t) => {
  const { gateway, ada } = await world(t);
  // Where a client begins: nothing but the access point's address.
  const refused = await fetch(`${gateway.url}/main/v1/models`);
  assert.equal(refused.status, 401);
  const pointer = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate'))[1];
  const resource = await (await fetch(pointer)).json();
  assert.equal(resource.resource, `${gateway.url}/main`);
  assert.deepEqual(resource.authorization_servers, [gateway.portal]);
  const config = await discovered(gateway);

  // A native application: a loopback address with whatever port is free.
  let arrived;
  const landed = new Promise((done) => { arrived = done; });
  const app = http.createServer((request, response) => { response.end('You can go back.'); if (request.url.startsWith('/cb')) arrived(request.url); });
  await new Promise((done) => app.listen(0, '127.0.0.1', done));
  t.after(() => { app.closeAllConnections(); app.close(); });
  const redirect = `http://127.0.0.1:${app.address().port}/cb`;
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const nonce = openid.randomNonce();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirect, scope: 'openid profile', resource: resource.resource, state, nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });

  const at = await visit(browser, gateway);
  t.after(() => at.context.close());
  const { page } = at;
  await into(page, gateway, ada);
  await page.goto(url.href);
  await page.getByRole('heading', { name: 'A program asks for access' }).waitFor();
  await page.getByText(`127.0.0.1:${app.address().port}`).waitFor();
  await page.getByText('use main').waitFor();
  await look(page, 'consent');
  await button(page, 'Allow Editor').click();
  const back = new URL(await landed, redirect);
  assert.equal(back.searchParams.get('iss'), gateway.portal);
  const tokens = await openid.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }, { resource: resource.resource });
  const claims = tokens.claims();
  assert.equal(claims.acr, 'urn:vestibule:level:2');
  assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa']);
  assert.equal(claims.preferred_username, 'ada');
  assert.ok(tokens.mfa_expires_in > 3000);
  const info = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(info.preferred_username, 'ada');

  assert.equal((await ask(gateway, tokens.access_token)).status, 200);
  const elsewhere = await ask(gateway, tokens.access_token, 'other');
  assert.equal(elsewhere.headers.get('vestibule-reason'), 'credential_audience');
  assert.equal(elsewhere.status, 401);
  assert.equal((await gateway.call('GET', '/v1/me', undefined, tokens.access_token)).status, 401, 'it is no key to the portal');

  const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal((await ask(gateway, fresh.access_token)).status, 200);
  await openid.tokenRevocation(config, fresh.refresh_token);
  assert.equal((await ask(gateway, fresh.access_token)).status, 401);
  assert.equal((await ask(gateway, tokens.access_token)).status, 401);
});

test('a refresh renews no second factor; a step-up as RFC 9470 has it does', async (t) => {
  const { gateway, ada } = await world(t, { policy: policy('20s') });
  const config = await discovered(gateway);
  const verifier = openid.randomPKCECodeVerifier();
  const start = async (more = {}) => openid.buildAuthorizationUrl(config, {
    redirect_uri: 'http://127.0.0.1:5000/cb', scope: 'openid', resource: `${gateway.url}/main`, state: 's',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more,
  });
  const grant = async (more, checks = {}) => openid.authorizationCodeGrant(config, await allow(gateway, ada, await start(more)), { pkceCodeVerifier: verifier, expectedState: 's', ...checks });
  let tokens = await grant();
  assert.equal((await ask(gateway, tokens.access_token)).status, 200);
  await sleep(20_500);
  tokens = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(tokens.mfa_expires_in, 0);
  const lapsed = await ask(gateway, tokens.access_token);
  assert.equal(lapsed.status, 401);
  const challenge = lapsed.headers.get('www-authenticate');
  assert.match(challenge, /error="insufficient_user_authentication"/);
  assert.match(challenge, /acr_values="urn:vestibule:level:2", max_age="20"/);
  // The client does as it is told; the person is asked for a factor first.
  const more = { acr_values: 'urn:vestibule:level:2', max_age: '20' };
  await assert.rejects(grant(more, { maxAge: 20 }), /mfa_lapsed/);
  await gateway.prove(ada);
  tokens = await grant(more, { maxAge: 20 });
  assert.equal((await ask(gateway, tokens.access_token)).status, 200);
});

test('a device, with openid-client', async (t) => {
  const { gateway, ada } = await world(t);
  const config = await discovered(gateway);
  const begun = await openid.initiateDeviceAuthorization(config, { scope: 'openid', resource: `${gateway.url}/main` });
  assert.match(begun.user_code, /^[B-Z]{4}-[B-Z]{4}$/);
  const at = await visit(browser, gateway);
  t.after(() => at.context.close());
  const { page } = at;
  await into(page, gateway, ada);
  await page.goto(begun.verification_uri_complete);
  await page.getByRole('heading', { name: 'Connect a device' }).waitFor();
  await look(page, 'device-code');
  await button(page, 'Continue').click();
  await page.getByText('Only go on if the device').waitFor();
  await look(page, 'device-consent');
  await page.getByLabel('Code', { exact: true }).fill(await ada.totp.next());
  const polled = openid.pollDeviceAuthorizationGrant(config, begun);
  await button(page, 'Allow Editor').click();
  await page.getByText('The device is connected.').waitFor();
  const tokens = await polled;
  assert.equal((await ask(gateway, tokens.access_token)).status, 200);
  await at.close();
});

test('DPoP at both listeners, with openid-client', async (t) => {
  const { gateway, ada } = await world(t);
  const config = await discovered(gateway);
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
  const verifier = openid.randomPKCECodeVerifier();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: 'http://127.0.0.1:5000/cb', scope: 'openid', resource: `${gateway.url}/main`, state: 's',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', dpop_jkt: await DPoP.calculateThumbprint(),
  });
  const tokens = await openid.authorizationCodeGrant(config, await allow(gateway, ada, url), { pkceCodeVerifier: verifier, expectedState: 's' }, undefined, { DPoP });
  assert.equal(tokens.token_type, 'dpop');
  const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'hello' }] });
  const send = (handle = DPoP) => openid.fetchProtectedResource(config, tokens.access_token, new URL(`${gateway.url}/main/v1/chat/completions`), 'POST', body,
    new Headers({ 'Content-Type': 'application/json' }), { DPoP: handle });
  assert.equal((await send()).status, 200);
  assert.equal((await send()).status, 200, 'each request with a proof of its own');
  // Stolen: as a bearer token, with the thief's own key.
  const bearer = await ask(gateway, tokens.access_token);
  assert.equal(bearer.status, 401);
  const thief = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
  const refused = await send(thief).catch((error) => error.response ?? error.cause?.response ?? error);
  const said = refused.status ?? refused.response?.status;
  assert.equal(said, 401);
  const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  assert.equal(fresh.token_type, 'dpop');
  await assert.rejects(openid.refreshTokenGrant(config, fresh.refresh_token), /invalid_dpop_proof|server responded/);
});

test('oauth4webapi: discovery, code, introspection, RS256 and a client with a key', async (t) => {
  const { gateway, ada } = await world(t);
  const issuer = new URL(gateway.portal);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }));
  const pair = await oauth.generateKeyPair('ES256', { extractable: true });
  const open = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const registered = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, {
    client_name: 'Job', redirect_uris: ['http://127.0.0.1/cb'], token_endpoint_auth_method: 'private_key_jwt', grant_types: ['authorization_code', 'refresh_token'],
    id_token_signed_response_alg: 'RS256', jwks: { keys: [{ kty: open.kty, crv: open.crv, x: open.x, y: open.y, kid: 'one' }] },
  }, insecure));
  const client = { client_id: registered.client_id, id_token_signed_response_alg: 'RS256' };
  const auth = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'one' });
  const verifier = oauth.generateRandomCodeVerifier();
  const url = new URL(as.authorization_endpoint);
  for (const [k, v] of Object.entries({
    client_id: client.client_id, redirect_uri: 'http://127.0.0.1:6000/cb', response_type: 'code', scope: 'openid', resource: `${gateway.url}/main`, state: 's',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })) url.searchParams.set(k, v);
  const params = oauth.validateAuthResponse(as, client, await allow(gateway, ada, url), 's');
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, await oauth.authorizationCodeGrantRequest(as, client, auth, params, 'http://127.0.0.1:6000/cb', verifier, insecure),
    { requireIdToken: true });
  assert.equal((await ask(gateway, tokens.access_token)).status, 200);
  const seen = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, tokens.access_token, insecure));
  assert.equal(seen.active, true);
  assert.equal(seen.aud, `${gateway.url}/main`);
  assert.equal(seen.acr, 'urn:vestibule:level:2');
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, insecure));
  assert.equal((await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, tokens.access_token, insecure))).active, false);
  assert.equal((await ask(gateway, tokens.access_token)).status, 401);
});

test('what is known of clients outlives a restart, keys turn, a restore voids what was allowed', async (t) => {
  const { gateway, ada } = await world(t);
  const config = await discovered(gateway);
  const verifier = openid.randomPKCECodeVerifier();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: 'http://127.0.0.1:5000/cb', scope: 'openid', resource: `${gateway.url}/main`, state: 's',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const tokens = await openid.authorizationCodeGrant(config, await allow(gateway, ada, url), { pkceCodeVerifier: verifier, expectedState: 's' });
  const before = await (await fetch(`${gateway.portal}/oauth/jwks`)).json();
  await gateway.restart();
  assert.deepEqual(await (await fetch(`${gateway.portal}/oauth/jwks`)).json(), before, 'the same keys');
  assert.equal((await ask(gateway, tokens.access_token)).status, 200);
  await gateway.api('POST', '/v1/keys/rotate', await gateway.code(ada), ada);
  await gateway.api('POST', '/v1/oauth/keys/rotate', await gateway.code(ada), ada);
  await gateway.api('POST', '/v1/keys/retire', { id: 1, ...await gateway.code(ada) }, ada);
  await gateway.restart();
  const now = await (await fetch(`${gateway.portal}/oauth/jwks`)).json();
  assert.equal(now.keys.length, 3);
  const next = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal((await ask(gateway, next.access_token)).status, 200);
});

});
