// Node asks the system's resolver for localhost, which a bare Debian without /etc/hosts does not know;
// curl and browsers do by themselves (RFC 6761 section 6.3). Loaded before every test.
const dns = require('node:dns');

const here = (name) => (name === 'localhost' ? '127.0.0.1' : name);
const { lookup } = dns;
const { lookup: promised } = dns.promises;
dns.lookup = (name, ...rest) => lookup(here(name), ...rest);
dns.promises.lookup = (name, ...rest) => promised(here(name), ...rest);
