// Loaded before a server that would listen on every interface: it listens on loopback.
const net = require('node:net');

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function onLoopback(port, ...rest) {
  return typeof port === 'object' ? listen.call(this, { ...port, host: '127.0.0.1' }, ...rest)
    : listen.call(this, port, '127.0.0.1', ...rest.filter((value) => typeof value === 'function'));
};
