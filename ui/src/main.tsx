import { render } from 'preact';
import { App } from './app';
import './install';
import { script } from './trusted';

render(<App />, document.getElementById('app')!);
if ('serviceWorker' in navigator) void navigator.serviceWorker.register(script('worker'), { scope: '/' }).catch(() => {});
