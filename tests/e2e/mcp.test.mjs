// MCP clients and an MCP server, with the gateway between: the official SDK finds its way from an address to an
// answer (RFC 9728, RFC 8414, registration, PKCE, token, call); the official conformance runner judges the
// authorization server by all its scenarios for one.
import assert from 'node:assert/strict';
import http from 'node:http';
import { before, after, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';
import { Gateway, freePort, policy } from './lib/gateway.mjs';
import { conformance } from './lib/mcp.mjs';

/// A server of two tools, which keeps nothing between two calls.
async function mcpServer() {
  const seen = [];
  const server = http.createServer(async (request, response) => {
    seen.push(request.headers);
    if (request.method !== 'POST') return response.writeHead(405, { Allow: 'POST' }).end();
    const parts = [];
    for await (const part of request) parts.push(part);
    const mcp = new McpServer({ name: 'abacus', version: '1.0.0' });
    mcp.registerTool('add', { description: 'Adds', inputSchema: { a: z.number(), b: z.number() } },
      async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }));
    mcp.registerTool('who', { description: 'Says nothing of who asks' }, async () => ({ content: [{ type: 'text', text: 'nobody' }] }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on('close', () => { transport.close(); mcp.close(); });
    await mcp.connect(transport);
    await transport.handleRequest(request, response, JSON.parse(Buffer.concat(parts).toString()));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { seen, url: `http://127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); server.close(); } };
}

let mcp, gateway, ada;
before(async () => {
  mcp = await mcpServer();
  gateway = await Gateway.start({
    policy: policy('1h', '[[rule]]\nname = "sums"\neffect = "allow"\ntool = ["add", "who"]\nconfirm = "none"\n'),
    points: { tools: { kind: 'mcp', prefix: '/mcp', upstream_prefix: '/mcp', upstreams: [mcp.url] } },
    config: { oauth: { client_documents: true } },
  });
  ada = await gateway.setup();
});
after(async () => {
  await gateway?.stop();
  mcp?.close();
});

/// The person's yes: what the consent page's button calls.
async function consent(url) {
  const sent = await fetch(url, { redirect: 'manual' });
  assert.equal(sent.status, 302, await sent.text());
  const request = sent.headers.get('location').split('/consent/')[1];
  return new URL((await gateway.api('POST', '/v1/oauth/consent/allow', { request }, ada)).redirect);
}

/// As the SDK wants it: where a client keeps what it has been given.
class Provider {
  redirectUrl = 'http://127.0.0.1:5123/callback';
  clientMetadata = {
    client_name: 'MCP client', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
  };
  state() { return 'a state of the client'; }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  redirectToAuthorization(url) { this.url = url; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
}

test('the official SDK: from an address to an answer', async () => {
  const provider = new Provider();
  const address = new URL(`${gateway.url}/mcp`);
  const first = new StreamableHTTPClientTransport(address, { authProvider: provider });
  await assert.rejects(new Client({ name: 'test', version: '1' }).connect(first), UnauthorizedError);
  assert.equal(mcp.seen.length, 0, 'nothing has reached the server');
  assert.equal(provider.url.origin, gateway.portal);
  assert.equal(provider.url.searchParams.get('resource'), `${gateway.url}/mcp`);
  assert.equal(provider.url.searchParams.get('code_challenge_method'), 'S256');
  assert.ok(provider.client.client_id, 'it has registered itself');
  const back = await consent(provider.url);
  assert.equal(back.searchParams.get('state'), 'a state of the client');
  assert.equal(back.searchParams.get('iss'), gateway.portal);
  await first.finishAuth(back.searchParams.get('code'));
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(address, { authProvider: provider }));
  assert.deepEqual((await client.listTools()).tools.map((tool) => tool.name).sort(), ['add', 'who']);
  const sum = await client.callTool({ name: 'add', arguments: { a: 20, b: 22 } });
  assert.equal(sum.content[0].text, '42');
  await client.close();
  assert.ok(mcp.seen.every((headers) => !headers.authorization), 'the token is not passed through');

  // A token that is over is renewed by the SDK itself.
  const { access_token: before, refresh_token: refresh } = provider.kept;
  provider.kept = { ...provider.kept, access_token: 'vt_over' };
  const again = new Client({ name: 'test', version: '1' });
  await again.connect(new StreamableHTTPClientTransport(address, { authProvider: provider }));
  assert.equal((await again.callTool({ name: 'add', arguments: { a: 1, b: 2 } })).content[0].text, '3');
  assert.notEqual(provider.kept.access_token, before);
  assert.notEqual(provider.kept.refresh_token, refresh, 'rotated');
  await again.close();
});

test('who has no token is told where tokens come from', async () => {
  const refused = await fetch(`${gateway.url}/mcp`, { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }) });
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get('www-authenticate'), new RegExp(`^Bearer .*resource_metadata="${gateway.url}/\\.well-known/oauth-protected-resource/mcp"`));
});

test('the official runner: every scenario for an authorization server', async (t) => {
  const listed = await conformance(['list', '--authorization']).then(({ out }) => [...out.matchAll(/^ +- (\S+)/gm)].map(([, name]) => name));
  assert.deepEqual(listed, ['authorization-server-metadata-endpoint', 'authorization-code-grant'], 'what there is to run');
  const port = await freePort();
  const registered = await (await fetch(`${gateway.portal}/oauth/register`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_name: 'Runner', redirect_uris: [`http://127.0.0.1:${port}/callback`], token_endpoint_auth_method: 'none' }),
  })).json();
  for (const version of ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']) {
    let asked = false;
    const run = await conformance(['authorization', '--url', gateway.portal, '--client-id', registered.client_id, '--resource', `${gateway.url}/mcp`,
      '--port', String(port), '--spec-version', version, '--output-dir', 'results'], (out) => {
      const url = /^http\S+\/oauth\/authorize\?\S+$/m.exec(out)?.[0];
      if (!url || asked || !out.includes('Callback server started')) return;  // it listens only then
      asked = true;
      consent(url).then((back) => fetch(back)).catch((error) => { asked = error; });
    });
    assert.equal(asked, true, run.out);
    assert.equal(run.code, 0, run.out);
    const states = run.checks.map((check) => `${check.id}: ${check.status} ${check.errorMessage ?? ''}`);
    assert.ok(run.checks.length >= 2 && run.checks.every((check) => check.status === 'SUCCESS'), states.join('\n'));
    t.diagnostic(`${version}: ${states.length} checks`);
  }
});
