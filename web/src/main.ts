import { mount } from 'svelte';
import './app.css';
import App from './shell/App.svelte';
import { reloadOnceOnSkew } from './lib/skew';

reloadOnceOnSkew();
mount(App, { target: document.getElementById('app')! });
