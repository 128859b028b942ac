// The wall: a page of its own, without the shell, so that it stays small and can stand for months.
import { mount } from 'svelte';
import '../app.css';
import Wall from './Wall.svelte';

const theme = new URLSearchParams(location.search).get('theme');
if (theme === 'dark' || theme === 'light') document.documentElement.dataset['theme'] = theme;
document.body.dataset['page'] = 'wall';
mount(Wall, { target: document.getElementById('wall')! });
